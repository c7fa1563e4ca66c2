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
    func run(_ list: inout CheckList) async -> ServerFacts? {
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
        guard case .success(let client) = result else {
            list.skip(work.title, because: "there is no connection")
            return facts(observation.info)
        }
        var facts = facts(observation.info)
        await work.run(client, &list)
        facts?.extensions = (client.server?.extensions.keys.map(\.rawValue) ?? []).sorted()
        let handles = client.knownLimits.openHandles
        facts?.maximumOpenHandles = handles == 0 ? nil : handles
        await client.close()
        return facts
    }

    /// What the server has shown; nil when it was not reached.
    private func facts(_ info: SSHSessionInfo) -> ServerFacts? {
        guard !info.address.isEmpty else { return nil }
        let algorithms = [
            "keyExchange": info.keyExchange, "hostKey": info.hostKeyAlgorithm, "cipherToServer": info.cipherToServer,
            "cipherFromServer": info.cipherFromServer, "macToServer": info.macToServer,
            "macFromServer": info.macFromServer,
        ].filter { !$0.value.isEmpty }
        return ServerFacts(
            address: info.address, software: info.serverIdentification, hostKey: info.hostKey,
            hostKeyFingerprint: info.hostKeyFingerprint, algorithms: algorithms, methods: info.offeredAuthentication,
            method: info.authentication)
    }

    // MARK: The steps of the connection

    private func noteSteps(
        of observation: SSHObservation, _ result: Result<SFTPClient, any Error>, _ isHostKeySet: Bool,
        _ list: inout CheckList
    ) {
        let info = observation.info
        var steps = observation.steps
        if case .failure(let error) = result {
            let failed = (error as? SFTPError)?.step
            let last = steps.last?.step == failed ? steps.popLast() : nil
            noteWorking(steps, info, isHostKeySet, &list)
            let failure = error as? FunctionFailure ?? (error as? SFTPError).map(FunctionFailure.init)
            list.note(
                CheckList.Wording(
                    name: failed.map(Self.name) ?? "log-in data", meaning: "nothing can be transferred",
                    advice: (error as? SFTPError).map { Self.advice($0) } ?? "",
                    cause: failure?.cause ?? .settings),
                seen: (error as? SFTPError)?.message ?? failure?.errorMessage ?? "\(error)",
                milliseconds: last.map { $0.seconds * 1000 })
        } else {
            noteWorking(steps, info, isHostKeySet, &list)
        }
    }

    private func noteWorking(
        _ steps: [SSHObservation.TimedStep], _ info: SSHSessionInfo, _ isHostKeySet: Bool, _ list: inout CheckList
    ) {
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
                list.works(Self.name(timed.step), seen: seen(timed.step, info), milliseconds: milliseconds)
            }
        }
    }

    private func seen(_ step: SFTPError.Step, _ info: SSHSessionInfo) -> String {
        switch step {
        case .resolve, .connect: info.address
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
        case .hostKey: ServerFacts.hostKeyStep
        case .authentication: "log in"
        case .sftpStart, .operation: "start SFTP"
        }
    }

    private static func advice(_ error: SFTPError) -> String {
        if error.reason == .invalidConfiguration { return "correct the setting that is named here" }
        return switch error.step {
        case .resolve: "check SFTP_HOST; in a VPC, that its DNS resolves names of the internet"
        case .connect:
            "check SFTP_HOST and SFTP_PORT, that the partner admits your address, and in a VPC the security group, the "
                + "route and the NAT gateway"
        case .handshake:
            error.reason == .connectionLost
                ? "try again: the server, or something in front of it, takes no connection of yours now"
                : "see SFTP_LEGACY_ALGORITHMS if the server is an old one"
        case .hostKey:
            "ask the partner, by another way than this connection, whether the key was changed: only then set the one that "
                + "is shown now"
        case .authentication:
            "check SFTP_USER and the password, or give the partner the public half of the key: ssh-keygen -y -f KEY shows "
                + "it"
        case .sftpStart, .operation: "ask the partner to allow SFTP for this account"
        }
    }
}
