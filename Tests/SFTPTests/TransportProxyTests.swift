import Foundation
import TestKit
import Testing

@testable import SFTP

/// Sessions through a proxy, and proxies that are none.
@Suite(.serialized, .timeLimit(.minutes(2))) struct TransportProxyTests {
    private static let user = "acme"
    private static let password = "hunter2:@/"

    /// A connection through the proxy to a name that only the proxy knows.
    private func fixture(_ behaviour: ScriptedProxy.Behaviour, kind: ProxyServer.Kind, user: String? = nil)
        throws -> (TransportFixture, ScriptedProxy)
    {
        var fixture = try TransportFixture.shared()
        let proxy = try ScriptedProxy(behaviour, to: UInt16(fixture.server.port))
        fixture.configuration.proxy = ProxyServer(
            kind: kind, host: "127.0.0.1", port: proxy.port, user: user, password: user.map { _ in Self.password })
        fixture.configuration.host = "sftp.partner.invalid"
        fixture.configuration.port = 2022
        return (fixture, proxy)
    }

    private static var authorization: String {
        "Basic " + Data("\(user):\(password)".utf8).base64EncodedString()
    }

    @Test(
        arguments: [
            (ProxyServer.Kind.socks5, ScriptedProxy.Behaviour.socks5(user: nil, password: ""), nil),
            (.socks5, .socks5(user: user, password: password), user), (.http, .http(authorization: nil), nil),
            (.http, .http(authorization: authorization), user),
            // One that asks nobody is not bothered by who has a password.
            (.socks5, .socks5(user: nil, password: ""), user),
        ] as [(ProxyServer.Kind, ScriptedProxy.Behaviour, String?)])
    func sessionGoesThroughTheProxyWhichKnowsTheName(
        kind: ProxyServer.Kind, behaviour: ScriptedProxy.Behaviour, user: String?
    ) async throws {
        let (fixture, proxy) = try fixture(behaviour, kind: kind, user: user)
        defer { proxy.stop() }
        let bytes = TransportLoopTests.noise(300_000, seed: 11)
        let name = "proxied-\(kind)"
        let (received, info) = try await fixture.withChannel { sftp, channel in
            try await TransportLoopTests.upload(bytes, to: name, sftp)
            return (try await TransportLoopTests.download(name, bytes.count, sftp), channel.sessionInfo)
        }
        #expect(received == bytes)
        #expect(proxy.targets == ["sftp.partner.invalid:2022"])
        #expect(info?.address == "127.0.0.1:\(proxy.port) (a proxy)")
    }

    @Test(
        arguments: [
            (
                ProxyServer.Kind.socks5, ScriptedProxy.Behaviour.socks5(user: user, password: "other"),
                "refused the user"
            ),
            (.http, .http(authorization: "Basic x"), "407 Proxy Authentication Required"),
        ] as [(ProxyServer.Kind, ScriptedProxy.Behaviour, String)])
    func wrongPasswordIsNamedAndNotShown(
        kind: ProxyServer.Kind, behaviour: ScriptedProxy.Behaviour, words: String
    ) async throws {
        let (fixture, proxy) = try fixture(behaviour, kind: kind, user: Self.user)
        defer { proxy.stop() }
        let failure = try #require(await fixture.failure())
        #expect(failure.step == .connect && failure.reason == .authenticationRejected)
        #expect(failure.message.contains(words) && failure.message.contains("the proxy 127.0.0.1 port \(proxy.port)"))
        #expect(failure.remedy.contains("the user and the password in SFTP_PROXY"), "\(failure)")
        #expect(!failure.message.contains(Self.password) && !failure.message.contains("hunter2"))
        #expect(proxy.targets.isEmpty)
    }

    @Test(arguments: ProxyServer.Kind.allCases)
    func serverThatTheProxyDoesNotReachIsNamed(kind: ProxyServer.Kind) async throws {
        let listener = try SilentListener()
        let proxy = try ScriptedProxy(
            kind == .socks5 ? .socks5(user: nil, password: "") : .http(authorization: nil), to: listener.port)
        listener.stop()
        defer { proxy.stop() }
        var configuration = try TransportFixture.shared().configuration
        configuration.proxy = ProxyServer(kind: kind, host: "127.0.0.1", port: proxy.port)
        let failure = try #require(await TransportFixture.failure(of: configuration))
        #expect(failure.step == .connect && failure.reason == .unreachable && failure.isTransient)
        #expect(failure.message.contains(kind == .socks5 ? "connection refused" : "502 Bad Gateway"))
        #expect(failure.remedy.contains("check SFTP_HOST and SFTP_PORT"), "\(failure)")
    }

    /// However it goes on, it ends within the time of connecting, and with little memory.
    @Test(
        arguments: [
            // Byte by byte, for ever: each one counts as an answer, and none of them is an end.
            ScriptedProxy.Behaviour.drip(Array("HTTP/1.1 200 OK\r\nA: b".utf8), everyMilliseconds: 10),
            .drip([0x41], everyMilliseconds: 5), .say([]), .say([5]), .say(Array("HTTP/1.1 200 OK\r\n".utf8)),
            .say(Array("HTTP/1.1 200 OK\r\nA: ".utf8) + [UInt8](repeating: 0x61, count: 1 << 20)),
            .say([UInt8](repeating: 0, count: 1 << 20)),
        ], ProxyServer.Kind.allCases)
    func hostileProxyIsGivenUp(behaviour: ScriptedProxy.Behaviour, kind: ProxyServer.Kind) async throws {
        var (fixture, proxy) = try fixture(behaviour, kind: kind)
        defer { proxy.stop() }
        fixture.configuration.connectTimeoutSeconds = 0.5
        let failure = try #require(await fixture.failure())
        #expect(failure.step == .connect && failure.message.contains("SFTP_PROXY"), "\(failure)")
        #expect([.timeout, .connectionLost, .protocolViolation].contains(failure.reason), "\(failure)")
    }

    @Test func silentProxyIsGivenUpInTime() async throws {
        let listener = try SilentListener()
        defer { listener.stop() }
        var configuration = try TransportFixture.shared().configuration
        configuration.proxy = ProxyServer(kind: .socks5, host: "127.0.0.1", port: listener.port)
        configuration.connectTimeoutSeconds = 0.2
        let failure = try #require(await TransportFixture.failure(of: configuration))
        #expect(failure.step == .connect && failure.reason == .timeout)
        #expect(failure.message.contains("never said a word") && failure.remedy.contains("check SFTP_PROXY"))
    }

    @Test func proxyThatIsNotThereIsNamedWithItsSetting() async throws {
        let listener = try SilentListener()
        var configuration = try TransportFixture.shared().configuration
        configuration.proxy = ProxyServer(kind: .http, host: "127.0.0.1", port: listener.port)
        listener.stop()
        let refused = try #require(await TransportFixture.failure(of: configuration))
        #expect(refused.step == .connect && refused.reason == .unreachable)
        #expect(refused.message.contains("the proxy 127.0.0.1 port \(listener.port)"))
        #expect(refused.message.contains("check SFTP_PROXY") && !refused.message.contains("SFTP_HOST"))
        configuration.proxy?.host = "no-such-proxy.invalid"
        let unknown = try #require(await TransportFixture.failure(of: configuration))
        #expect(unknown.step == .resolve)
        #expect(unknown.message.contains("no-such-proxy.invalid") && unknown.message.contains("check SFTP_PROXY"))
        #expect(!unknown.message.contains("SFTP_HOST"))
    }

    /// Whoever gives up while the proxy keeps silent is not kept waiting.
    @Test func cancelledWhileTheProxyIsSilent() async throws {
        let listener = try SilentListener()
        defer { listener.stop() }
        var configuration = try TransportFixture.shared().configuration
        configuration.proxy = ProxyServer(kind: .http, host: "127.0.0.1", port: listener.port)
        configuration.connectTimeoutSeconds = 60
        let task = Task { [configuration] in await TransportFixture.failure(of: configuration) }
        try await eventually { listener.hasAccepted }
        task.cancel()
        #expect(await task.value?.reason == .cancelled)
    }
}
