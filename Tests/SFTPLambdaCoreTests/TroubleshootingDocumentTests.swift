import AWS
import Foundation
import HTTP
import TestKit
import Testing

@testable import SFTP
@testable import SFTPLambdaCore
@testable import Transfers

/// `docs/troubleshooting.md` has what the errors themselves say.
@Suite struct TroubleshootingDocumentTests {
    /// `UPDATE_DOCS=1 swift test --filter TroubleshootingDocumentTests` writes the page anew.
    @Test func thePageIsWhatTheErrorsSay() throws {
        let page = StandIn.packageRoot.appendingPathComponent("docs/troubleshooting.md")
        if ProcessInfo.processInfo.environment["UPDATE_DOCS"] == "1" {
            try Data(TroubleshootingPage.text.utf8).write(to: page)
        }
        #expect(try String(contentsOf: page, encoding: .utf8) == TroubleshootingPage.text)
    }

    @Test(arguments: ServerProblem.allCases) func everyProblemOfTheServerIsOneThatAnErrorTells(problem: ServerProblem) {
        let error = SFTPError(problem, TroubleshootingPage.place, seen: "SEEN")
        #expect(error.message == "\(problem.symptom(TroubleshootingPage.place)) (SEEN): \(problem.remedy)")
        #expect(error.finding == "\(problem.symptom(TroubleshootingPage.place)) (SEEN)")
        let failure = FunctionFailure(error)
        #expect(failure.errorMessage.hasSuffix(error.message) && failure.remedy == problem.remedy)
        #expect(failure.cause == (problem.reason == .invalidConfiguration ? .settings : .server))
        #expect(TroubleshootingPage.text.replacing("\n", with: " ").contains(problem.meaning))
        // A sentence goes on behind the colon, and the page ends it.
        #expect(!problem.remedy.hasSuffix(".") && problem.meaning.hasSuffix("."), "\(problem)")
    }

    /// The examples of the page are told apart as the real answers are.
    @Test(arguments: AWSProblem.allCases) func everyProblemOfAWSIsRecognised(problem: AWSProblem) {
        let error = TroubleshootingPage.example(problem)
        #expect(AWSProblem(error) == problem)
        #expect(error.explained == "\(error): \(problem.remedy(AWSCase(error)))")
        #expect(problem.meaning.hasSuffix(".") && !problem.remedy(AWSCase(error)).hasSuffix("."))
        #expect(StoreFailure(error).message == error.explained)
        #expect(QueueFailure(error).message == error.explained)
    }

    /// Credentials that are refused in the middle of a run: what gives them knows better what to do than the kind does, and
    /// one message has one advice.
    @Test(arguments: [AWSError.Kind.noCredentials, .expiredCredentials]) func theAdviceOfTheCredentialsIsTheOnlyOne(
        kind: AWSError.Kind
    ) {
        var error = AWSError(kind, operation: "PutObject", subject: "b/k", message: "AWS STS gives none")
        error.advice = "check AWS_ROLE_ARN"
        #expect(StoreFailure(error).message == "PutObject b/k: (AWS STS gives none): check AWS_ROLE_ARN")
        #expect(QueueFailure(error).message == StoreFailure(error).message)
        #expect(error.remedy == "check AWS_ROLE_ARN" && error.finding == "PutObject b/k: (AWS STS gives none)")
    }

    @Test func whatNobodyCanMendHasNoAdvice() {
        for kind in [AWSError.Kind.conflict, .throttled, .unavailable, .cancelled, .preconditionFailed] {
            let error = AWSError(kind, operation: "GetObject", subject: "b/k", message: "m")
            #expect(error.remedy.isEmpty && error.explained == error.description)
        }
    }

    /// S3 answers 403, and no permission helps.
    @Test(arguments: AWSProblem.archivedCodes) func anArchivedObjectIsNoMatterOfPermissions(code: String) {
        let error = AWSError(.denied, operation: "GetObject", subject: "b/k", status: 403, code: code, message: "m")
        #expect(AWSProblem(error) == nil && error.remedy.isEmpty, "\(error.explained)")
    }
}

/// The page, made of the same texts as the errors.
private enum TroubleshootingPage {
    static let place = ServerPlace(host: "HOST", port: "PORT", user: "USER")
    private static let width = 120

    static var text: String {
        let parts: [[String]] = [
            introduction, types, classes, server, directory, aws,
        ]
        return parts.map { $0.joined(separator: "\n") }.joined(separator: "\n\n") + "\n"
    }

    private static var introduction: [String] {
        ["# Troubleshooting", ""]
            + wrapped(
                "Every failure says what was tried, what was seen and what to do. This page has the same, to look up and to "
                    + "search: it is made of the very texts that the programs use. Words in capitals stand for the values "
                    + "of a case.")
            + [""]
            + wrapped(
                "The quickest way to most of it is a check, which tries everything once and cleans up: `pull --check`, "
                    + "`push --check`, `pushRetry --check` on a command line ([command-line.md](command-line.md)), or the "
                    + "event `{\"action\": \"check\"}` for a function ([operate.md](operate.md#can-it-work)).")
    }

    // MARK: The words for alarms

    private static var types: [String] {
        ["## Error types", ""]
            + wrapped(
                "When an invocation fails, `errorType` says of what kind the failure is; with `--json` on a command line "
                    + "too. These words stay the same.")
            + ["", "| `errorType` | what it says |", "|---|---|"]
            + FailureType.allCases.map { "| `\($0.rawValue)` | \($0.meaning) |" }
    }

    private static var classes: [String] {
        ["## Error classes", ""]
            + wrapped(
                "Each file, object or event that failed has a class: `errorClass` in the log, in the result and in the "
                    + "message on the retry queue. `failedByClass` and the metrics count by it.")
            + ["", "| `errorClass` | what it says |", "|---|---|"]
            + FailureClass.allCases.map { "| `\($0.rawValue)` | \($0.meaning) |" }
            + EventError.Reason.allCases.map { "| `\($0.rawValue)` | \($0.meaning) |" }
    }

    // MARK: The server

    private static let proxyProblems: Set<ServerProblem> = [
        .proxyLoginRefused, .proxyRefuses, .proxyUnsuited, .noProxy, .proxySilent, .proxyLost,
    ]

    private static let chapters: [(title: String, isIn: @Sendable (ServerProblem) -> Bool)] = [
        ("Finding the server", { $0.step == .resolve }),
        ("Connecting", { $0.step == .connect && !proxyProblems.contains($0) }),
        ("The proxy", { proxyProblems.contains($0) }),
        ("Agreeing with the server", { $0.step == .handshake }), ("The host key", { $0.step == .hostKey }),
        (
            "The private key",
            {
                $0.step == .authentication && $0.reason == .invalidConfiguration && $0 != .noCredentials
                    && $0 != .passwordWithheld
            }
        ),
        (
            "Logging in",
            {
                $0.step == .authentication
                    && ($0.reason != .invalidConfiguration || $0 == .noCredentials || $0 == .passwordWithheld)
            }
        ), ("Starting SFTP", { $0.step == .sftpStart }),
    ]

    private static var server: [String] {
        let texts = chapters.map { chapter in
            var lines = ["## \(chapter.title)"]
            var heading = ""
            for problem in ServerProblem.allCases where chapter.isIn(problem) {
                let symptom = problem.symptom(place)
                if symptom != heading {
                    let type = FunctionFailure(SFTPError(problem, place)).errorType
                    lines += ["", "### \(capitalised(symptom))", "", "`\(type)`"]
                }
                heading = symptom
                lines += entry(problem.meaning, problem.remedy)
                if problem == .connectTimeout { lines += inLambda }
            }
            return lines.joined(separator: "\n")
        }
        return [texts.joined(separator: "\n\n")]
    }

    private static var inLambda: [String] {
        [""] + wrapped("In Lambda the message goes on: \(LambdaNetwork(functionName: "NAME").advice(port: "PORT")).")
    }

    // MARK: The directory, and AWS

    private static var directory: [String] {
        ["## The directory to pull from, or to push to", ""]
            + wrapped(
                "Of pull `TransfersFailed`, with SFTP_SOURCE_DIR as the path that failed. Of push each object fails, of the "
                    + "class `server`, and goes to the retry queue.")
            + DirectoryDiagnosis.Problem.allCases.flatMap {
                ["", "### \($0.symptom(.source, "PATH"))"] + entry($0.meaning, $0.remedy(.source))
            }
            // That a target may not be listed is told by nothing: it need not be.
            + [DirectoryDiagnosis.Problem.missing, .noDirectory].flatMap {
                ["", "### \($0.symptom(.target, "PATH"))"] + entry($0.meaning, $0.remedy(.target))
            }
    }

    private static var aws: [String] {
        ["## AWS", ""]
            + wrapped(
                "What AWS refuses fails the file or the object that it concerns, by name, and goes on with the others; the "
                    + "secret and, of pushRetry, the queue end the run. The message begins with the operation, what it was "
                    + "done on, AWS's status, code and words, and its request id.")
            + AWSProblem.allCases.flatMap { problem in
                let error = example(problem)
                let described = AWSCase(
                    permission: "the ACTION on the RESOURCE that the message names", region: "REGION",
                    rightRegion: "OTHER-REGION")
                return ["", "### \(error)"] + entry(problem.meaning, problem.remedy(described))
            }
            + WebIdentityProblem.allCases.flatMap { problem in
                let codes = problem.codes.joined(separator: " or ")
                return ["", "### \(WebIdentityProblem.symptom(role: "ROLE")): \(codes) (…)"]
                    + entry(problem.meaning, problem.remedy)
            }
    }

    /// An answer of AWS that is this problem.
    static func example(_ problem: AWSProblem) -> AWSError {
        func error(
            _ kind: AWSError.Kind, _ operation: String, _ subject: String, _ status: Int? = nil, _ code: String? = nil,
            _ message: String
        ) -> AWSError {
            AWSError(kind, operation: operation, subject: subject, status: status, code: code, message: message)
        }
        switch problem {
        case .accessDenied: return error(.denied, "PutObject", "BUCKET/KEY", 403, "AccessDenied", "Access Denied")
        case .keyDenied:
            return error(
                .denied, "PutObject", "BUCKET/KEY", 403, "AccessDenied",
                "… not authorized to perform: kms:GenerateDataKey …")
        case .bucketMissing:
            return error(
                .notFound, "PutObject", "BUCKET/KEY", 404, "NoSuchBucket", "The specified bucket does not exist")
        case .bucketElsewhere: return error(.wrongRegion, "PutObject", "BUCKET/KEY", 301, "PermanentRedirect", "…")
        case .queueMissing:
            return error(.notFound, "GetQueueUrl", "QUEUE", 400, "QueueDoesNotExist", "…")
        case .secretMissing:
            return error(.notFound, "GetSecretValue", "SECRET", 400, "ResourceNotFoundException", "…")
        case .credentialsMissing:
            return error(
                .noCredentials, "PutObject", "BUCKET/KEY", nil, nil,
                "no AWS credentials: AWS_ACCESS_KEY_ID is not set; …")
        case .credentialsExpired: return error(.expiredCredentials, "PutObject", "BUCKET/KEY", 400, "ExpiredToken", "…")
        case .credentialsWrong: return error(.denied, "PutObject", "BUCKET/KEY", 403, "InvalidAccessKeyId", "…")
        case .clockWrong: return error(.clockSkew, "PutObject", "BUCKET/KEY", 403, "RequestTimeTooSkewed", "…")
        case .unreachable:
            return error(
                .network(HTTPError(.connectTimeout, "")), "PutObject", "BUCKET/KEY", nil, nil, "connectTimeout: …")
        }
    }

    // MARK: Text

    private static func entry(_ meaning: String, _ remedy: String) -> [String] {
        [""] + wrapped(meaning) + [""] + wrapped("**What to do:** \(remedy).")
    }

    private static func capitalised(_ text: String) -> String { text.prefix(1).uppercased() + text.dropFirst() }

    /// Lines of at most `width` characters, divided at blanks.
    private static func wrapped(_ text: String) -> [String] {
        var lines: [String] = []
        for word in text.split(separator: " ") {
            if let last = lines.last, last.count + 1 + word.count <= width {
                lines[lines.count - 1] += " \(word)"
            } else {
                lines.append(String(word))
            }
        }
        return lines
    }
}
