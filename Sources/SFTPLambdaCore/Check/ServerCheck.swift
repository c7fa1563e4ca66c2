import Logging
import SFTP
import Transfers

/// Connects as the function does, and tries in a directory of its own what the function needs there.
struct ServerCheck {
    let connector: ServerConnector
    /// What is tried once it is connected.
    let work: DirectoryCheck
    let run: FunctionRun

    /// Does it all, and closes the connection.
    /// - Parameter hasLogin: false when the secret that holds the login could not be read: then nothing is tried.
    func run(_ list: inout CheckList, hasLogin: Bool) async -> ServerFacts? {
        guard hasLogin else {
            list.skip("connect and log in", because: "there is nothing to log in with: the secret cannot be read")
            list.skip(work.title, because: "there is no connection")
            return nil
        }
        let observation = SSHObservation()
        let result: Result<SFTPClient, any Error>
        do {
            result = .success(
                try await connector.connect(
                    deadlineUptimeSeconds: run.window.deadlineUptimeSeconds, logger: run.logger,
                    observation: observation
                ).client)
        } catch {
            result = .failure(error)
        }
        observation.finish()
        // Where that cannot be told, the step that tells why has failed.
        let isHostKeySet =
            (try? await connector.expectsHostKey(deadlineUptimeSeconds: run.window.deadlineUptimeSeconds)) ?? false
        noteSteps(of: observation, result, isHostKeySet, &list)
        var facts = facts(observation.info, verdict(result, observation.info, isHostKeySet))
        guard case .success(let client) = result else {
            list.skip(work.title, because: "there is no connection")
            return facts
        }
        await work.run(client, &list)
        facts?.extensions = (client.server?.extensions.keys.map(\.rawValue) ?? []).sorted()
        let handles = client.knownLimits.openHandles
        facts?.maximumOpenHandles = handles == 0 ? nil : handles
        await client.close()
        return facts
    }

    private func verdict(
        _ result: Result<SFTPClient, any Error>, _ info: SSHSessionInfo, _ isHostKeySet: Bool
    ) -> ServerFacts.HostKeyVerdict {
        if case .failure(let error as SFTPError) = result, error.reason == .hostKeyMismatch { return .refused }
        return info.hostKey.isEmpty ? .unknown : isHostKeySet ? .expected : .unchecked
    }

    /// What the server has shown; nil when it was not reached.
    private func facts(_ info: SSHSessionInfo, _ verdict: ServerFacts.HostKeyVerdict) -> ServerFacts? {
        guard !info.address.isEmpty else { return nil }
        let algorithms = [
            "keyExchange": info.keyExchange, "hostKey": info.hostKeyAlgorithm, "cipherToServer": info.cipherToServer,
            "cipherFromServer": info.cipherFromServer, "macToServer": info.macToServer,
            "macFromServer": info.macFromServer,
        ].filter { !$0.value.isEmpty }
        return ServerFacts(
            address: info.address, software: info.serverIdentification, hostKey: info.hostKey,
            hostKeyFingerprint: info.hostKeyFingerprint, hostKeyVerdict: verdict, algorithms: algorithms,
            methods: info.offeredAuthentication,
            method: info.authentication)
    }

    // MARK: The steps of the connection

    private func noteSteps(
        of observation: SSHObservation, _ result: Result<SFTPClient, any Error>, _ isHostKeySet: Bool,
        _ list: inout CheckList
    ) {
        var steps = observation.steps
        if case .failure(let error) = result {
            let failed = (error as? SFTPError)?.step
            let last = steps.last?.step == failed ? steps.popLast() : nil
            noteWorking(steps, observation, isHostKeySet, &list)
            let failure = error as? FunctionFailure ?? (error as? SFTPError).map(FunctionFailure.init)
            list.note(
                CheckList.Wording(
                    name: failed.map(Self.name) ?? "log-in data", meaning: "nothing can be transferred",
                    advice: (error as? SFTPError).map { Self.advice($0) } ?? "",
                    cause: failure?.cause ?? .settings), failed: error, milliseconds: last.map { $0.seconds * 1000 })
        } else {
            noteWorking(steps, observation, isHostKeySet, &list)
        }
    }

    private func noteWorking(
        _ steps: [SSHObservation.TimedStep], _ observation: SSHObservation, _ isHostKeySet: Bool,
        _ list: inout CheckList
    ) {
        let info = observation.info
        for timed in steps {
            let milliseconds = timed.seconds * 1000
            if timed.step == .hostKey && !isHostKeySet {
                list.note(
                    CheckList.Wording(
                        name: Self.name(.hostKey), meaning: "anybody could stand in the server's place",
                        advice:
                            "make sure with the partner that this is his key, and set SFTP_HOST_KEY='\(info.hostKey)'",
                        isNeeded: false), seen: "any key is taken: SFTP_HOST_KEY is not set", milliseconds: milliseconds
                )
            } else {
                list.works(Self.name(timed.step), seen: seen(timed.step, observation), milliseconds: milliseconds)
            }
        }
    }

    private func seen(_ step: SFTPError.Step, _ observation: SSHObservation) -> String {
        let info = observation.info
        return switch step {
        case .resolve: Self.listed(observation.addresses)
        case .connect: info.address
        case .handshake: info.serverIdentification
        case .hostKey: "\(info.hostKeyFingerprint), as expected"
        case .authentication: info.authentication
        case .sftpStart, .operation: "version 3"
        }
    }

    private static func name(_ step: SFTPError.Step) -> String {
        switch step {
        case .resolve: "look up the name"
        case .connect: "connect"
        case .handshake: "agree on algorithms"
        case .hostKey: "host key"
        case .authentication: "log in"
        case .sftpStart, .operation: "start SFTP"
        }
    }

    /// Some names have many addresses.
    private static let maximumAddresses = 8

    private static func listed(_ addresses: [String]) -> String {
        let more = addresses.count - maximumAddresses
        return addresses.prefix(maximumAddresses).joined(separator: ", ") + (more > 0 ? " and \(more) more" : "")
    }

    /// For a failure that does not say itself what to do.
    private static func advice(_ error: SFTPError) -> String {
        error.isTransient ? "try again; if it stays, ask the partner with the words of this message" : ""
    }
}
