public import Wire

/// What a region lets a beacon use.
///
/// Sources: LoRaWAN Regional Parameters RP002-1.0.4 (EU868: section 2.4; US915: section 2.5). Ours are raw
/// LoRa frames, so LoRaWAN's own payload limits do not bind, the law's do: in EU868 a duty cycle that one
/// frame an epoch keeps far from, in US915 a dwell time of 400 ms (47 CFR 15.247). Fifty-two octets last
/// 329 ms at SF9 and 616 ms at SF10: hence US915 ends at SF9.
public struct ChannelPlan: Hashable, Sendable {
    /// Centre frequencies in Hz.
    public let frequencies: [UInt32]
    public let dataRates: [DataRate]
    /// The most radiated power (EIRP), in 0.1 dBm.
    public let powerMax: Int16

    public static let eu868 = ChannelPlan(
        frequencies: [
            867_100_000, 867_300_000, 867_500_000, 867_700_000, 867_900_000, 868_100_000, 868_300_000,
            868_500_000,
        ],
        dataRates: [.sf7bw125, .sf8bw125, .sf9bw125, .sf10bw125, .sf11bw125, .sf12bw125], powerMax: 161)

    /// Sub-band 2, which most gateways listen to.
    public static let us915 = ChannelPlan(
        frequencies: [
            903_900_000, 904_100_000, 904_300_000, 904_500_000, 904_700_000, 904_900_000, 905_100_000,
            905_300_000,
        ],
        dataRates: [.sf7bw125, .sf8bw125, .sf9bw125], powerMax: 360)

    public static func of(_ region: Region) -> ChannelPlan {
        switch region {
        case .eu868: eu868
        case .us915: us915
        }
    }
}
