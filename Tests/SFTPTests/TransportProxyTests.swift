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
        #expect(proxy.targets.isEmpty)
        // Not even by whoever writes down all that there is.
        for text in ["\(failure)", String(reflecting: failure), "\(fixture.configuration)"] {
            #expect(!text.contains("hunter2"), "\(text)")
        }
        let server = try #require(fixture.configuration.proxy)
        for text in ["\(server)", String(reflecting: server)] {
            #expect(text.contains("127.0.0.1") && !text.contains("hunter2"), "\(text)")
        }
    }

    @Test(arguments: ProxyServer.Kind.allCases)
    func serverThatTheProxyDoesNotReachIsNamed(kind: ProxyServer.Kind) async throws {
        let listener = try SilentListener()
        let proxy = try ScriptedProxy(
            kind == .socks5 ? .socks5(user: nil, password: "") : .http(authorization: nil), to: listener.port)
        listener.stop()
        defer { proxy.stop() }
        let failure = try #require(await TransportFixture.failure(of: configuration(kind, proxy.port)))
        #expect(failure.step == .connect && failure.reason == .unreachable && failure.isTransient)
        #expect(failure.message.contains(kind == .socks5 ? "connection refused" : "502 Bad Gateway"))
        #expect(failure.remedy.contains("check SFTP_HOST and SFTP_PORT"), "\(failure)")
    }

    /// However it goes on, it ends within the time of connecting, and with little memory.
    @Test(
        arguments: [
            ScriptedProxy.Behaviour.drip([0x41], everyMilliseconds: 5), .say([]), .say([5]),
            .say(Array("HTTP/1.1 200 OK\r\n".utf8)),
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

    /// Byte by byte: each one counts as an answer, and the end is far away.
    @Test(arguments: [
        (
            ProxyServer.Kind.http,
            ScriptedProxy.Behaviour.drip(Array("HTTP/1.1 200 OK\r\nA: b".utf8), everyMilliseconds: 2)
        ),
        // Connected, from an address of 255 letters.
        (.socks5, .drip([5, 0, 5, 0, 0, 3, 255] + [UInt8](repeating: 0x61, count: 257), everyMilliseconds: 10)),
    ]) func proxyThatDripsIsGivenUpInTime(kind: ProxyServer.Kind, behaviour: ScriptedProxy.Behaviour) async throws {
        var (fixture, proxy) = try fixture(behaviour, kind: kind)
        defer { proxy.stop() }
        fixture.configuration.connectTimeoutSeconds = 0.5
        let failure = try #require(await fixture.failure())
        #expect(failure.step == .connect && failure.reason == .timeout, "\(failure)")
        #expect(failure.message.contains("in time (0.5 s; it stopped answering): check SFTP_PROXY"), "\(failure)")
    }

    /// A connection by way of what listens at that port, if anything does.
    private func configuration(
        _ kind: ProxyServer.Kind, host: String = "127.0.0.1", _ port: UInt16
    ) throws -> SSHConfiguration {
        var configuration = try TransportFixture.shared().configuration
        configuration.proxy = ProxyServer(kind: kind, host: host, port: port)
        return configuration
    }

    @Test(arguments: ProxyServer.Kind.allCases) func silentProxyIsGivenUpInTime(kind: ProxyServer.Kind) async throws {
        let listener = try SilentListener()
        defer { listener.stop() }
        var configuration = try configuration(kind, listener.port)
        configuration.connectTimeoutSeconds = 0.2
        let failure = try #require(await TransportFixture.failure(of: configuration))
        #expect(failure.step == .connect && failure.reason == .timeout)
        #expect(failure.message.contains("never said a word") && failure.remedy.contains("check SFTP_PROXY"))
    }

    @Test(arguments: [
        ("127.0.0.1", SFTPError.Step.connect, "the proxy 127.0.0.1 port "),
        ("no-such-proxy.invalid", .resolve, "no-such-proxy.invalid"),
    ]) func proxyThatIsNotThereIsNamedWithItsSetting(host: String, step: SFTPError.Step, words: String) async throws {
        let listener = try SilentListener()
        let configuration = try configuration(.http, host: host, listener.port)
        listener.stop()
        let failure = try #require(await TransportFixture.failure(of: configuration))
        #expect(failure.step == step && failure.reason == .unreachable)
        #expect(failure.message.contains(words) && failure.message.contains("check SFTP_PROXY"), "\(failure)")
        #expect(!failure.message.contains("SFTP_HOST"), "\(failure)")
    }

    /// Whoever gives up while the proxy keeps silent is not kept waiting.
    @Test func cancelledWhileTheProxyIsSilent() async throws {
        let listener = try SilentListener()
        defer { listener.stop() }
        var configuration = try configuration(.http, listener.port)
        configuration.connectTimeoutSeconds = 60
        let task = Task { [configuration] in await TransportFixture.failure(of: configuration) }
        try await eventually { listener.hasAccepted }
        task.cancel()
        #expect(await task.value?.reason == .cancelled)
    }
}
