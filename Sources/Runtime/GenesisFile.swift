internal import Foundation
internal import Geo
internal import Identity
public import Wire

/// The TOML form of a genesis: what a network's founders write and everybody reads.
public enum GenesisFile {
    /// Reads a file; every error names the place and what would be right.
    public static func read(_ path: String) throws(RuntimeError) -> Genesis {
        var reader = try TableReader(file: path)
        let name = try reader.needString("name")
        let isTest = try reader.bool("test") ?? false
        let keptEpochs: UInt32 = try reader.integer("kept_epochs") ?? 0
        guard let randomness0 = try reader.digest("randomness0"),
            let randomness1 = try reader.digest("randomness1")
        else { throw reader.fault("randomness0 and randomness1", "are missing") }
        var parameters = Parameters()
        if var table = try reader.table("parameters") { parameters = try self.parameters(&table) }
        var accounts: [GenesisAccount] = []
        for var table in try reader.tables("account") {
            guard let balance: Amount = try table.integer("balance") else {
                throw table.fault("balance", "is missing")
            }
            accounts.append(GenesisAccount(account: try table.needNode("id"), balance: balance))
            try table.finish()
        }
        var validators: [GenesisValidator] = []
        for var table in try reader.tables("validator") {
            let validator = try table.needNode("id")
            guard let stake: Amount = try table.integer("stake") else {
                throw table.fault("stake", "is missing")
            }
            validators.append(
                GenesisValidator(
                    validator: validator, owner: try table.node("owner") ?? validator,
                    vrfKey: try table.vrfKey("vrf"), stake: stake))
            try table.finish()
        }
        var devices: [GenesisDevice] = []
        for var table in try reader.tables("device") { devices.append(try device(&table)) }
        try reader.finish()
        let genesis = Genesis(
            name: name, isTest: isTest, parameters: parameters, randomness0: randomness0,
            randomness1: randomness1,
            accounts: accounts, devices: devices, validators: validators, keptEpochs: keptEpochs)
        if let flaw = genesis.flaw { throw RuntimeError("\(path): no network can start from this: \(flaw)") }
        return genesis
    }

    private static func device(_ table: inout TableReader) throws(RuntimeError) -> GenesisDevice {
        let id = try table.needNode("id")
        let kind = try table.string("kind") ?? "hotspot"
        guard kind == "hotspot" || kind == "sensor" else {
            throw table.fault("kind", "must be hotspot or sensor")
        }
        guard let region = Region(name: try table.string("region") ?? "EU868") else {
            throw table.fault(
                "region", "must be one of \(Region.allCases.map(\.name).joined(separator: ", "))")
        }
        var location: Location?
        if let latitude = try table.degrees("latitude"), let longitude = try table.degrees("longitude") {
            guard let position = Position(latitude: latitude, longitude: longitude) else {
                throw table.fault("latitude and longitude", "are no place on Earth")
            }
            let text = try table.needString("cell")
            guard let cell = Cell(text), cell.resolution == Location.resolution,
                position.lies(in: cell, toleranceMetres: 20)
            else {
                throw table.fault("cell", "must be the H3 cell of resolution 12 that holds the coordinates")
            }
            location = Location(position: position, cell: cell)
        }
        let gain: Int16 = try table.integer("gain") ?? 0
        guard RadioProfile.gains.contains(gain) else {
            let (least, most) = (RadioProfile.gains.lowerBound, RadioProfile.gains.upperBound)
            throw table.fault("gain", "must be \(least) to \(most), in 0.1 dBi")
        }
        let device = GenesisDevice(
            device: id, kind: kind == "hotspot" ? .hotspot : .sensor, owner: try table.node("owner") ?? id,
            vrfKey: try table.vrfKey("vrf"),
            profile: RadioProfile(region: region, gain: gain), location: location)
        try table.finish()
        return device
    }

    /// Nothing is committed while the last block is older than stakes are bound: there must be time for a pause.
    private static let unbondingEpochsMin: UInt32 = 4
    /// Below two bundles of the largest kind every block is full, and leaders may leave anybody out.
    private static let evidenceBytesMin: UInt32 = 1 << 15

    private static func parameters(_ table: inout TableReader) throws(RuntimeError) -> Parameters {
        var values = Parameters()
        values.epochMilliseconds = try table.integer("epoch_milliseconds") ?? values.epochMilliseconds
        values.epochsPerDay = try table.integer("epochs_per_day") ?? values.epochsPerDay
        if let permille: UInt16 = try table.integer("beacon_permille") {
            guard permille <= 1000 else { throw table.fault("beacon_permille", "must be 0 to 1000") }
            values.beaconThreshold =
                permille == 1000 ? .max : UInt64(permille).multipliedFullWidth(by: .max / 1000).low
        }
        values.committeeEpochs = try table.integer("committee_epochs") ?? values.committeeEpochs
        values.reciprocityEpochs = try table.integer("reciprocity_epochs") ?? values.reciprocityEpochs
        values.suspensionEpochs = try table.integer("suspension_epochs") ?? values.suspensionEpochs
        values.penaltyEpochs = try table.integer("penalty_epochs") ?? values.penaltyEpochs
        values.unbondingEpochs = try table.integer("unbonding_epochs") ?? values.unbondingEpochs
        guard values.unbondingEpochs >= unbondingEpochsMin else {
            throw table.fault("unbonding_epochs", "must be \(unbondingEpochsMin) at least")
        }
        values.bundlesMax = try table.integer("bundles_max") ?? values.bundlesMax
        values.evidenceBytesMax = try table.integer("evidence_bytes_max") ?? values.evidenceBytesMax
        guard values.evidenceBytesMax >= evidenceBytesMin else {
            throw table.fault("evidence_bytes_max", "must be \(evidenceBytesMin) at least")
        }
        values.transactionsMax = try table.integer("transactions_max") ?? values.transactionsMax
        values.feeMin = try table.integer("fee_min") ?? values.feeMin
        values.registrationFee = try table.integer("registration_fee") ?? values.registrationFee
        values.locationFee = try table.integer("location_fee") ?? values.locationFee
        values.stakeMin = try table.integer("stake_min") ?? values.stakeMin
        values.emissionPerEpoch = try table.integer("emission_per_epoch") ?? values.emissionPerEpoch
        values.halvingEpochs = try table.integer("halving_epochs") ?? values.halvingEpochs
        values.validatorPermille = try table.integer("validator_permille") ?? values.validatorPermille
        try table.finish()
        return values
    }

    /// The text of a file that reads back as `genesis`, if its parameters are ones the file can say.
    public static func text(of genesis: Genesis, comment: String) -> String {
        let parameters = genesis.parameters
        var text = comment.split(separator: "\n").map { "# \($0)\n" }.joined()
        text += """
            name = \(tomlString(genesis.name))
            test = \(genesis.isTest)
            randomness0 = "\(genesis.randomness0.hex)"
            randomness1 = "\(genesis.randomness1.hex)"
            \(genesis.keptEpochs == 0 ? "# all epochs are kept" : "kept_epochs = \(genesis.keptEpochs)")

            [parameters]
            epoch_milliseconds = \(parameters.epochMilliseconds)
            epochs_per_day = \(parameters.epochsPerDay)
            beacon_permille = \(parameters.beaconThreshold / (.max / 1000))
            committee_epochs = \(parameters.committeeEpochs)
            reciprocity_epochs = \(parameters.reciprocityEpochs)
            suspension_epochs = \(parameters.suspensionEpochs)
            penalty_epochs = \(parameters.penaltyEpochs)
            unbonding_epochs = \(parameters.unbondingEpochs)
            bundles_max = \(parameters.bundlesMax)
            evidence_bytes_max = \(parameters.evidenceBytesMax)
            transactions_max = \(parameters.transactionsMax)
            fee_min = \(parameters.feeMin)
            registration_fee = \(parameters.registrationFee)
            location_fee = \(parameters.locationFee)
            stake_min = \(parameters.stakeMin)
            emission_per_epoch = \(parameters.emissionPerEpoch)
            halving_epochs = \(parameters.halvingEpochs)
            validator_permille = \(parameters.validatorPermille)

            """
        for account in genesis.accounts {
            text += "\n[[account]]\nid = \"\(account.account.text)\"\nbalance = \(account.balance)\n"
        }
        for validator in genesis.validators {
            text +=
                "\n[[validator]]\nid = \"\(validator.validator.text)\"\nowner = \"\(validator.owner.text)\"\n"
            text += "vrf = \"\(validator.vrfKey.hex)\"\nstake = \(validator.stake)\n"
        }
        for device in genesis.devices {
            text += "\n[[device]]\nid = \"\(device.device.text)\"\nkind = \"\(device.kind)\"\n"
            text += "owner = \"\(device.owner.text)\"\nvrf = \"\(device.vrfKey.hex)\"\n"
            text += "region = \"\(device.profile.region.name)\"\ngain = \(device.profile.gain)\n"
            if let location = device.location {
                text += "latitude = \(degrees(location.position.latitude))\n"
                text += "longitude = \(degrees(location.position.longitude))\n"
                text += "cell = \"\(location.cell)\"\n"
            }
        }
        return text
    }

    /// Seven decimals, exactly.
    static func degrees(_ value: Int32) -> String {
        let magnitude = value.magnitude
        let fraction = String(magnitude % 10_000_000)
        return (value < 0 ? "-" : "") + "\(magnitude / 10_000_000)."
            + String(repeating: "0", count: 7 - fraction.count) + fraction
    }
}
