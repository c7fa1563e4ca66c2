import Foundation
import TestKit

/// A proxy that lies, in front of a server: `local/hostile_proxy.py`.
final class HostileProxy: Sendable {
    static let user = "proxy-user"
    static let password = "p%roxy w+rd/\"42\"&äö"

    /// What leads a function through it.
    let settings: [String: String]
    private let standIn: StandIn
    private let scenarioFile: URL
    /// A server that nobody has asked for, with a host key of its own.
    private let other: PartnerServer
    private static let script = "hostile_proxy.py"

    init(_ scheme: String, to server: HostileServer, workFolder: URL) throws {
        scenarioFile = workFolder.appendingPathComponent("proxy-scenario")
        let folder = workFolder.appendingPathComponent("other")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        other = try PartnerServer(.asyncssh, folder: folder, workFolder: workFolder)
        standIn = try StandIn(
            Self.script,
            [
                "--scenario-file", scenarioFile.path, "--server-port", "\(server.sshd.port)", "--other-port",
                "\(other.port)",
            ], workFolder: workFolder)
        let password = Self.password.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
        settings = ["SFTP_PROXY": "\(scheme)://\(Self.user):\(password)@127.0.0.1:\(standIn.ready["port"] ?? "")"]
    }

    /// From the next connection on it plays this scenario.
    func play(_ scenario: String) throws { try Data(scenario.utf8).write(to: scenarioFile) }

    func stop() {
        standIn.stop()
        other.stop()
    }

    /// What each scenario does, by its name.
    static func scenarios() throws -> [String: String] {
        try StandIn.scenarios(of: StandIn.packageRoot.appendingPathComponent("local/\(script)").path)
    }
}

/// What pull makes of a proxy that lies: a table of docs/hostile-servers.md, and what the tests expect.
struct HostileProxyCase: Sendable {
    var scenario: String
    /// What the log says, as it stands there.
    var log: String
    /// Whether the file is transferred; else the invocation fails, and the server is asked for nothing.
    var isHonest = false

    /// The scheme that leads to it.
    var scheme: String { scenario.hasPrefix("socks") ? "socks5" : "http" }

    private static let late = "check SFTP_PROXY"

    static let all = [
        Self(scenario: "http-honest", log: "file transferred", isHonest: true),
        Self(scenario: "http-silence", log: late), Self(scenario: "http-drip", log: late),
        // Its limit of bytes, or the time: whichever comes first.
        Self(scenario: "http-endless-head", log: late),
        Self(scenario: "http-waits", log: "only says to wait, again and again"),
        Self(scenario: "http-forges", log: #"HTTP/1.1 403 x\\x1b[2J\\x85{\\\"level\\\""#),
        Self(scenario: "http-says-login-back", log: "it answered a line with the password in it"),
        Self(scenario: "http-says-login-later", log: "it says \\\"a line with the password in it"),
        Self(scenario: "http-hangs-up", log: "closed the connection"),
        Self(scenario: "http-other-server", log: "No credential was sent"),
        Self(scenario: "http-noise", log: "SSHHandshakeFailed"),
        Self(scenario: "socks-honest", log: "file transferred", isHonest: true),
        Self(scenario: "socks-other-method", log: "chose a way to log in that it was not offered, method 1"),
        Self(scenario: "socks-other-address", log: "answered with an address of an unknown type (9)"),
        Self(scenario: "socks-cut-off", log: "check SFTP_PROXY"),
        Self(scenario: "socks-flood", log: "it looks like SOCKS4"), Self(scenario: "socks-silence", log: late),
    ]

    var outcome: String {
        isHonest ? "the file is transferred" : "the invocation fails; no credential of the server's is sent"
    }
}
