import Testing

@testable import Coverage

@Suite struct `A tag that nobody knows` {
    /// A block's ten thousand bundles report up to a million of them in 32 MiB, and each is held twice while they are put together.
    @Test func `takes little while it is judged, and no place for facts about a beaconer`() {
        #expect(MemoryLayout<Trial>.stride <= 128)
    }
}
