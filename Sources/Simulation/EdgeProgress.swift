internal import Wire

/// How far each edge node has followed, so that ten thousand of them are not looked through at every step of one.
struct EdgeProgress {
    private let hosts: Range<Int>
    private var epochs: [Int]
    /// Hosts by their epoch.
    private var counts: [Int: Int]
    /// The epoch that every edge node has followed to.
    private(set) var least = 0

    init(hosts: Range<Int>) {
        self.hosts = hosts
        epochs = Array(repeating: 0, count: hosts.count)
        counts = [0: hosts.count]
    }

    /// True if that changes the least.
    @discardableResult
    mutating func note(_ host: Int, epoch: Epoch) -> Bool {
        guard hosts.contains(host) else { return false }
        let place = host - hosts.lowerBound
        let before = least
        counts[epochs[place]]! -= 1
        epochs[place] = Int(epoch)
        counts[Int(epoch), default: 0] += 1
        least = min(least, Int(epoch))
        while counts[least, default: 0] == 0 { least += 1 }
        return least != before
    }
}
