import Testing

@testable import CommandLineTool
@testable import SFTPLambdaCore

@Suite struct CheckTextTests {
    private func step(
        _ name: String, _ outcome: CheckStep.Outcome, _ milliseconds: Double?, _ detail: String, meaning: String = "",
        advice: String = ""
    ) -> CheckStep {
        CheckStep(
            name: name, outcome: outcome, milliseconds: milliseconds, detail: detail, meaning: meaning, advice: advice,
            cause: outcome == .fails ? .server : nil)
    }

    @Test func theTableIsAlignedAndSaysWhatToChange() {
        var report = CheckReport(function: .push)
        report.steps = [
            step("connect", .works, 12.4, "192.0.2.1:22"),
            step("log in", .fails, 1234, "no\u{1B}[2J", meaning: "nothing works", advice: "ask"),
            step("rename", .skipped, nil, "there is no connection"),
        ]
        #expect(
            CheckText.lines(report) == [
                "The server was not reached.", "",
                "works    connect      12 ms  192.0.2.1:22",
                "FAILS    log in    1,234 ms  no\\u{1b}[2J",
                "         which means: nothing works", "         to change it: ask",
                "skipped  rename              there is no connection", "",
                "push cannot work: log in fails.",
            ])
        report.steps.append(step("remove", .fails, 1, "no"))
        report.steps.append(step("look", .fails, 1, "no"))
        #expect(CheckText.lines(report).last == "push cannot work: log in, remove and look fail.")
    }

    @Test func theServerIsShownWithTheLineToSet() {
        var report = CheckReport(function: .pull)
        report.server = ServerFacts(
            address: "192.0.2.1:22", software: "SSH-2.0-x", hostKey: "ssh-ed25519 AAAA", hostKeyFingerprint: "SHA256:B",
            hostKeyVerdict: .expected, algorithms: ["keyExchange": "k"], methods: ["publickey", "password"],
            method: "publickey", extensions: ["e@x"], maximumOpenHandles: 1024)
        #expect(
            CheckText.lines(report).prefix(8) == [
                "server        SSH-2.0-x at 192.0.2.1:22", "host key      SFTP_HOST_KEY='ssh-ed25519 AAAA'",
                "              SHA256:B", "key exchange  k", "it offers     publickey, password",
                "logged in by  publickey", "extensions    e@x", "open files    at most 1,024",
            ])
        #expect(CheckText.lines(report).last == "pull can work.")
    }
}
