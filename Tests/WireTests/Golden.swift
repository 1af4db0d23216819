import Bytes
import Chance
import Identity
import WireSamples

/// What the formats were when they were frozen.
///
/// A difference means that old and new nodes do not understand each other, or that the samples of the tests
/// changed. Only for the second reason, or in a commit of its own that raises a version, may a line change; the
/// failing test prints the new one.
enum Golden {
    /// BLAKE2b-256 over sixty-four samples.
    static func hash(of format: Format) -> String {
        var chance = Chance(seed: 0xEA)
        var writer = ByteWriter(capacity: 1 << 16)
        for _ in 0..<64 { writer.octets(format.sample(&chance)) }
        return Digest(of: writer.bytes).hex
    }

    static let hashes: [String: String] = [
        "Tag": "a65cfb34519b913a42aad75c738586ef52829e564afe93531e0bc2f73be958d3",
        "DataRate": "335bcdbbc7f05428174e345fdc69cf073248d7dc4ae3f5050b025013d538d203",
        "Region": "787d01aefbabd359f1732719e2826ee17fa756f9469639bde614b5dfa34eaace",
        "Measurement": "8faa046bdb0c27476c2ba89d627afbff5a8a40ba58775c9d487d3972f913d648",
        "WitnessReport": "281b02b2a7a6d4bb04dba4624a0efeff6222c39b9300557c2d9427c91167d566",
        "Reveal": "6d7e9e82ac1959ff5e96400c5b1d804683e7da2942348f8354716793517b5746",
        "Reading": "eb47bdad40e429845f49ea6026a1ed06ef954d60923a2c4da181e2a7c3b36b09",
        "Bundle": "09faa96286c4d796a178f2eacdc8ceb034f5828aae3df1ec5916dd936398853d",
        "EvidenceEntry": "9fc3d65a72326d4b2092c390ef72f10dc4cbcd5770f99870e2942fdbc0f83895",
        "EvidenceSummary": "7e8f05603e59bc0ffda86a849e16de2eb85c9e4cdcc13363ffc91a041fcb9aee",
        "EvidenceItem": "d6901048b9058c18643f2e458d2df40c29d3417a99b99ac48350e91d7bb53460",
        "Reason": "aa40a1d935cb2a54aa918c49073d5974442d523f9734ef1d8f9ff9cff4f50f44",
        "Side": "9de60012f7739a38a8af39eef4612d0ce06a24fe95673551b84f711a722e9049",
        "ReportVerdict": "c00b4db742dfdbbda77fe161f5b2123841cb541502fd2cca27a14da659e6ecff",
        "BeaconVerdict": "cca7be6f3c39cc07f75edb267ca1f62cf4045fe6bfdaa7bae5b88f926322e22e",
        "Activity": "ca414e04918f2a451cdaba904fb6dc33f347faf35ec3bb8b5a3728f81433fdd0",
        "Header": "33143cf0fae36453a8743cb695d0fbbbc217299ab0eaf845f4b60681c7801d86",
        "Ballot": "ced6c77741c7eb860f8544e3da9aa46d9b1de4190e5cb7c0adb8032eba847937",
        "Vote": "0da842077ed9c20b93fe06f9d950f36ed3be68ef9cf539a7c80531ab53266da2",
        "Certificate": "cb8ab1e11581526ac259af5446d5370bddffd7b66f0be07745086928fff17e93",
        "Proposal": "1f22acc43cf16c2a052de20a44e77acd0052f1faf6b92e17ad29651b8558fc7b",
        "Seat": "f8cbb08a0c46e07cebf12e2355052ce8ac0fbf3ecf36cae3a6824730479c3472",
        "Committee": "069733dccf9390d703cf13d93d45c50e244a544513a7b99c13b24fac52533aa5",
        "Body": "b9e265d750ab7add83dfc20593104e9922dcd1505482294976816f63b9dc3b05",
        "Block": "d385c9d0169fcc2eb72062733ec37a1a51236eb51acc14b369561975793cda31",
        "FinalHeader": "a8f9df138307c98b01e9ac31b834ccdf91ff3050f1a468a539f42152729d1710",
        "DeviceKind": "9de60012f7739a38a8af39eef4612d0ce06a24fe95673551b84f711a722e9049",
        "RadioProfile": "1f80049a477216fddcc8f92d615e499a8d336b8060ce45bcc96429ae3ed67d78",
        "Consent": "8c93ca54efb73079bc0bc222564b7abc46cda329a3dc6de7e9b08b7a7e5bee3f",
        "Location": "6e8fcb4dfe6e1a7989a42b567b0f036b9351126cd863ebb93da5153a4f6d800f",
        "TransactionKind": "63de8a36f6d11f4c079026d8b965a03462ec791f543024d863b576f4064e7da5",
        "Transaction": "60d5da26a5c06b9224788dba68437f7ecdb50505513fc693659271c36b5efb4a",
        "DensityRow": "1c9462baaf2b36b23125f3f29c3a40720f64203257141d985fbed4fbe70e0153",
        "Parameters": "7f5aacb2d04dcf67b0e2f4741b89568e2fcfd60df7ceff2312fc8caf2950e4c6",
        "GenesisAccount": "38d6983df2242089bd0ccd49be3dc8c4d21eac8cc066d1488b829375b82867b8",
        "GenesisDevice": "f329267bd7c446eaea1f3b5ced32daa303d9f3c1d86718c81a3398d238655fb3",
        "GenesisValidator": "6fdd1634c58b4dff0623d570c89d7c0d31b0cd08a70647bb3fadbc7f9ff159c7",
        "Genesis": "c852344da20b28ca75e912c1b588ac538352fb9a49ce0fbb83320d620f8df72d",
        "StateKey": "ac497428242f0aecc2194dca1719e040ff8b12fb6be049f130d73aafc8426460",
        "Account": "cf33ffeb7ff37282c9d3bde9e5014fb3619cabab634e853633c5da6bcd5d75a2",
        "DeviceVersion": "c22b7ed3365977733693ea14c62214b681032f69befffab8247d198de3bfdbe3",
        "Device": "75fcdfe52c264084c94e4d91a79392c48686e9211c519449604b55666a10ecf1",
        "ValidatorVersion": "ea2a50cb6aacc09fd0a5ff38ac4a7afe14059a0981b48d3039ae63f520148f49",
        "Validator": "5b9f181a47d71083bb8d393c0ac34ca16c528fc5c0ec81ee35e7097cb1785ddc",
        "Totals": "d8dd39df6ca827beccae5ba0e74072d28ce5f200da068db1ffebcf5ecf2b6efd",
        "Reward": "81705e1fd1b1db7c285e7561a80594e6a679e46e817575cf3bb63a4b6a16b9a3",
        "Endpoint": "950d0e3714a1fc5f409d1cd89e93fd06ad6515d4d769b26d48a04a58d21387a0",
        "Roles": "ca598ad08f99737715829c843383079baf8a2fe1c2c6a8004aafc56f6415d753",
        "NodeRecord": "cf733b216bd89016042b522f4abda82a8d66fcc6d8df98a33d247252718c04a7",
        "Summary": "7fad487c41424d355ed3f1fc866e3ff30cfe3b893034ec5993c3db61214aa601",
        "Contents": "b8ff5065dce113c1cc99d970d4da84f1ad4cedd1d8a87c13814049c30c498bc8",
        "TransactionFault": "be0dc54b9b9ca004c8e94b411ff9d758ee6fa48d444ccc9bbb477d55e271a585",
        "TransactionStatus": "7ca69f0ef4c03ebd8833f39831abb52d98079eb7d945a681978bcbb56101e0f0",
        "MerkleProof": "a69b16e635b579dc84499a1393eadb759c1ccefbd15ce8d0ff9112429e461bad",
        "VotesPage": "76a14ca5c7ed09d1d59e62bc8fcae84939e2a2abc58f4e9c72786b925840c6d2",
        "BundleStanding": "513407e20556255c9982734e52e9199b9129af5c33327ad3e80009eb81b14878",
        "Question": "dc3e8a6185f73ba4b7efbe960203526128016fc82f5092259daad07c90cdf065",
        "Answer": "999fbc17f5843523c1c0977235d7e3d7ce1144d06c12772fefda10fdbc51aee6",
        "Neighbour": "89b9093961e4c68af87597ce47dd5937c0928e08ca8a0a0ef54e35f045f8be9f",
        "ListRequest": "090f46205a64c7e201375fca93f2a74edf32a62a92f3d97b15ca7f626fed7390",
        "ListCells": "1194663b5dc303c8dd6bf7c6d885ff8e476e017b03077ea7d4c36649dd61a10e",
        "ReconciliationFrame": "223d4eb613899ab392c395365d3def78b82f9139e035ec2b24369ab68265f217",
        "StatePlace": "c7d5e19207a92bfb449b2e63ea8eb87415cec68c7be6321afae9dd7b33997a9e",
        "StatePart": "e3c0e54595468c326c2048813b5dd147377ef21fff00ef90d79d40dde892d06d",
        "SnapshotQuestion": "7711e92e3623508b21df152f84f7f530d70f67ba5ec7de9e67bd4f10ce24afe9",
        "SnapshotAnswer": "9d57b9c69ba3a119c38d44880d15352d8a022b3dc21256b5ffdce42462d2df95",
        "Message": "c553f09613669d57f352d34f28367793030fbc0f8c8f0c318780150414476eb1",
        "ShortID": "57d802c2b7df802ea993a38c2b22f80064b22315aa2625819af51adf04f7d064",
        "Chunk": "b56443c0a9e59630402d2768271483c0783e84c3d2871473f74def6d851ae6b3",
        "Frame": "7b28aaeafa725440eafcc19c94b84445cc8cb85cfc02fd949650869ae938b62f",
        "Rendezvous": "12f54d3fd1d9a5f1eea849e7be5ba389adba346aeab4a1a80bdbe9d37949cbe8",
        "Payload": "3e5c598c823ece11698629041b5f6c8c988132ff29465156a6f40c64fbbd7ccd",
    ]
}
