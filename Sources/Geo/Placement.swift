// Floating point, and so NEVER in a rule that nodes must agree on: the last bit may differ between machines.
//
// It serves where a node judges for itself (a transaction as it is submitted, a fresh block before the vote)
// and where people look (commands, the dashboard, simulated worlds).

import CH3

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

extension Position {
    /// How far outside an asserted cell its coordinates may lie when a transaction is submitted.
    public static let cellToleranceMetres = 20.0

    /// To the nearest ten-millionth of a degree; nil outside ±90° and ±180° and for what is no number.
    public init?(degreesNorth: Double, degreesEast: Double) {
        let latitude = (degreesNorth * Double(Self.unitsPerDegree)).rounded()
        let longitude = (degreesEast * Double(Self.unitsPerDegree)).rounded()
        guard let latitude = Int32(exactly: latitude), let longitude = Int32(exactly: longitude) else {
            return nil
        }
        self.init(latitude: latitude, longitude: longitude)
    }

    public var degreesNorth: Double { Double(latitude) / Double(Self.unitsPerDegree) }
    public var degreesEast: Double { Double(longitude) / Double(Self.unitsPerDegree) }

    /// Whether the place is in the cell or at most `toleranceMetres` outside.
    ///
    /// Floating point: for a node's own judgement, never for an agreed rule.
    public func lies(in cell: Cell, toleranceMetres: Double = cellToleranceMetres) -> Bool {
        if Cell(containing: self, resolution: cell.resolution) == cell { return true }
        let place = Direction(radians)
        let corners = cell.corners
        for (index, corner) in corners.enumerated() {
            let next = corners[(index + 1) % corners.count]
            let angle = place.angle(toArcFrom: Direction(corner), to: Direction(next))
            if angle * Cell.earthRadiusMetres <= toleranceMetres { return true }
        }
        return false
    }

    fileprivate var radians: LatLng {
        LatLng(lat: degsToRads(degreesNorth), lng: degsToRads(degreesEast))
    }

    fileprivate init(_ radians: LatLng) {
        let north = (radsToDegs(radians.lat) * Double(Self.unitsPerDegree)).rounded()
        let east = (radsToDegs(radians.lng) * Double(Self.unitsPerDegree)).rounded()
        let (latitudeMax, longitudeMax) = (Double(Self.latitudeMax), Double(Self.longitudeMax))
        latitude = Int32(min(max(north, -latitudeMax), latitudeMax))
        longitude = Int32(min(max(east, -longitudeMax), longitudeMax))
    }
}

extension Cell {
    /// H3's mean Earth radius.
    fileprivate static let earthRadiusMetres = 6_371_007.180918475

    /// The cell around a place. Floating point: for a node's own judgement, never for an agreed rule.
    public init(containing position: Position, resolution: Int) {
        precondition(0...Self.resolutionMax ~= resolution)
        var place = position.radians
        var cell: UInt64 = 0
        let error = unsafe latLngToCell(&place, Int32(resolution), &cell)
        precondition(error == 0, "every place is in a cell of every resolution")
        self.init(known: cell)
    }

    /// The place in its middle. Floating point: for a node's own judgement, never for an agreed rule.
    public var centre: Position {
        var place = LatLng()
        let error = unsafe cellToLatLng(raw, &place)
        precondition(error == 0, "a valid cell has a centre")
        return Position(place)
    }

    /// The outline's corners, around. Floating point: for a node's own judgement and for maps.
    public var outline: [Position] { corners.map { Position($0) } }

    fileprivate var corners: [LatLng] {
        var boundary = CellBoundary()
        let error = unsafe cellToBoundary(raw, &boundary)
        precondition(error == 0, "a valid cell has an outline")
        // C's fixed array arrives as a tuple; it holds `numVerts` corners.
        return unsafe withUnsafeBytes(of: &boundary.verts) { corners in
            unsafe Array(corners.bindMemory(to: LatLng.self).prefix(Int(boundary.numVerts)))
        }
    }
}

/// A place as a vector of the unit sphere.
private struct Direction {
    var x, y, z: Double

    init(x: Double, y: Double, z: Double) {
        (self.x, self.y, self.z) = (x, y, z)
    }

    init(_ place: LatLng) {
        x = cos(place.lat) * cos(place.lng)
        y = cos(place.lat) * sin(place.lng)
        z = sin(place.lat)
    }

    var length: Double { dot(self).squareRoot() }

    func dot(_ other: Direction) -> Double { x * other.x + y * other.y + z * other.z }

    func cross(_ other: Direction) -> Direction {
        Direction(x: y * other.z - z * other.y, y: z * other.x - x * other.z, z: x * other.y - y * other.x)
    }

    /// In radians; precise for small angles, where the arccosine is not.
    func angle(to other: Direction) -> Double {
        atan2(cross(other).length, dot(other))
    }

    /// In radians, to the nearest place of the great-circle arc from `start` to `end`, which is below 180°.
    func angle(toArcFrom start: Direction, to end: Direction) -> Double {
        let pole = start.cross(end)
        // Nearest to the arc's inside if this lies between the planes through its ends and the pole.
        if pole.cross(start).dot(self) >= 0, end.cross(pole).dot(self) >= 0, pole.length > 0 {
            return abs(asin(min(max(dot(pole) / pole.length, -1), 1)))
        }
        return min(angle(to: start), angle(to: end))
    }
}
