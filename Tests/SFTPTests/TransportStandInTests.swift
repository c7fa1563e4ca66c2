import Foundation
import TestKit
import Testing

/// The sshd of `local/`, without our client.
@Suite struct TransportStandInTests {
    @Test func serverIsReadyWithKeysOfEveryForm() throws {
        let folder = try TemporaryFolder()
        var options = LocalSSHD.Options()
        options.hostKeyTypes = [.ecdsa, .ed25519]
        options.clientKeyTypes = [.ed25519, .ecdsa]
        let server = try LocalSSHD(folder: folder.url.appendingPathComponent("root"), options)
        defer { server.stop() }

        #expect(server.hostKey.hasPrefix("ecdsa-sha2-nistp256 "))
        #expect(try server.hostKey(.ed25519).hasPrefix("ssh-ed25519 "))
        #expect(server.hostKeyFingerprint.hasPrefix("SHA256:"))
        #expect(try server.privateKey().contains("BEGIN OPENSSH PRIVATE KEY"))
        #expect(try server.privateKey(.ed25519, .pkcs8).contains("BEGIN PRIVATE KEY"))
        #expect(try server.privateKey(.ecdsa, .pem).contains("BEGIN EC PRIVATE KEY"))
        #expect(try server.privateKey(.ecdsa, .pkcs8, encrypted: true).contains("BEGIN ENCRYPTED PRIVATE KEY"))
    }

    @Test func nothingIsLeftWhenTheServerStops() throws {
        let folder = try TemporaryFolder()
        let server = try LocalSSHD(folder: folder.url.appendingPathComponent("root"))
        #expect(server.log.contains("Server listening on 127.0.0.1 port \(server.port)"))
        server.stop()
        #expect(throws: (any Error).self) { try connectOnce(port: server.port) }
    }

    private func connectOnce(port: Int) throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw POSIXError(.ECONNREFUSED) }
    }
}
