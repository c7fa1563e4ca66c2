import SFTPLambdaCore
import Testing
import Transfers

@testable import CommandLineTool

@Suite struct CommandTests {
    private func object(_ bucket: String, _ key: String) throws -> ObjectAddress {
        ObjectAddress(bucket: bucket, key: try #require(ObjectKey(key)))
    }

    @Test func withoutArgumentsTheWorkIsDone() throws {
        for function in [LambdaFunction.pull, .pushRetry] {
            let command = try Command([], of: function)
            #expect(command.action == .run && !command.writesJSON && !command.isVerbose && command.source == nil)
        }
    }

    @Test func optionsStandInAnyOrderInBothForms() throws {
        let command = try Command(["--json", "s3://b/k", "-nv"], of: .push)
        #expect(command.action == .dryRun && command.writesJSON && command.isVerbose)
        #expect(command.source == .objects([try object("b", "k")]))
        #expect(try Command(["-v", "--json", "--dry-run", "--", "s3://b/k"], of: .push) == command)
    }

    /// A key is what S3 has: no escape in it is undone, and slashes belong to it.
    @Test func aKeyIsTakenAsItStands() throws {
        let words = ["s3://b/a//b c%20+ü", "s3://b/-n", "s3://b/dir/"]
        let keys = ["a//b c%20+ü", "-n", "dir/"]
        #expect(try Command(words, of: .push).source == .objects(try keys.map { try object("b", $0) }))
    }

    @Test func whatStandsBehindTwoDashesIsNoOption() {
        let error = #expect(throws: UsageError.self) { try Command(["--", "--json"], of: .push) }
        #expect(error?.description.contains("'--json' names no object") == true)
    }

    @Test func aCheckNeedsNoObjectsAndLooksAtThoseThatAreNamed() throws {
        #expect(try Command(["--check"], of: .push).action == .check)
        #expect(try Command(["--check"], of: .push).source == nil)
        #expect(try Command(["--check", "s3://b/k"], of: .push).source == .objects([try object("b", "k")]))
    }

    @Test func anEventComesFromAFileOrStandardInput() throws {
        for arguments in [["--event", "a file"], ["--event=a file"]] {
            #expect(try Command(arguments, of: .push).source == .event(file: "a file"))
        }
        #expect(try Command(["--event", "-"], of: .push).source == .event(file: "-"))
        #expect(try Command(["--event=--json"], of: .push).source == .event(file: "--json"))
        #expect(try Command(["--event", "./--json"], of: .push).source == .event(file: "./--json"))
    }

    @Test(arguments: [
        (LambdaFunction.pull, ["--jsn"], "there is no option '--jsn'; the nearest is --json"),
        (.pull, ["--evnt"], "the nearest is --"),
        (.pull, ["-x"], "there is no option '-x'"),
        (.pull, ["--json=yes"], "--json takes no value"),
        (.pull, ["s3://b/k"], "pull takes options only, and 's3://b/k' is none"),
        (.pull, ["--event", "f"], "--event is no option of pull"),
        (.pushRetry, ["x\u{1B}[2J"], "'x\\u{1b}[2J' is none"),
        (.pull, ["--check", "-n"], "--dry-run and --check exclude each other"),
        (.push, [], "nothing to push is named"),
        (.push, ["--event"], "--event needs a FILE"),
        (.push, ["--event="], "--event needs a FILE"),
        (.push, ["--event", "--json"], "--event needs a FILE, and '--json' looks like an option"),
        (.push, ["--event", "--", "f"], "--event needs a FILE, and '--' looks like an option"),
        (.push, ["--event", "a", "--event", "b"], "--event is given twice"),
        (.push, ["--event", "a", "s3://b/k"], "--event and objects exclude each other"),
        (.push, ["https://b/k"], "'https://b/k' names no object. Expected: s3://BUCKET/KEY"),
        (.push, ["s3://b"], "'s3://b' names no object"),
        (.push, ["s3:///k"], "'s3:///k' names no object"),
        (.push, ["s3://b/"], "has a key of 0 bytes"),
        (.push, ["s3://b/" + String(repeating: "k", count: 1025)], "has a key of 1025 bytes"),
    ])
    func whatCannotBeUsedIsNamed(function: LambdaFunction, arguments: [String], words: String) {
        let error = #expect(throws: UsageError.self) { try Command(arguments, of: function) }
        #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
    }

    @Test(arguments: LambdaFunction.allCases)
    func helpAndVersionAreToldWhateverElseIsMissing(function: LambdaFunction) throws {
        #expect(try Command(["--help"], of: function).action == .help)
        #expect(try Command(["-h", "s3://", "--version"], of: function).action == .help)
        #expect(try Command(["--version"], of: function).action == .version)
    }

    @Test(arguments: LambdaFunction.allCases)
    func helpNamesEveryOptionStatusAndSettingOfTheProgram(function: LambdaFunction) {
        let lines = HelpText.text(of: function).split(separator: "\n").map(String.init)
        for option in CommandOption.allCases {
            #expect(lines.contains("  \(option.synopsis)") == option.functions.contains(function))
        }
        for status in ExitStatus.allCases {
            #expect(lines.contains { $0.hasSuffix("\(status.rawValue)  \(status.summary)") })
        }
        #expect(lines.contains("  SFTP_HOST") && lines.contains("      Default: 22"))
        #expect(lines.contains("  SFTP_SOURCE_DIR") == (function == .pull))
        #expect(lines.contains { $0.contains("AWS_REGION") })
    }

    /// On a command line push does without what the Lambda function must have.
    @Test func helpSaysWhetherTheRetryQueueIsNeeded() throws {
        func requirement(of function: LambdaFunction) throws -> String {
            let lines = HelpText.text(of: function).split(separator: "\n").map(String.init)
            let start = try #require(lines.firstIndex(of: "  SFTP_RETRY_QUEUE_NAME"))
            return try #require(lines[start...].first { $0.hasPrefix("      Default: ") })
        }
        #expect(try requirement(of: .push).hasPrefix("      Default: none: what fails is told"))
        #expect(try requirement(of: .pushRetry) == "      Default: required")
    }

    @Test func optionsHaveNamesAndLettersOfTheirOwn() {
        let letters = CommandOption.allCases.compactMap(\.letter)
        #expect(Set(letters).count == letters.count)
        for option in CommandOption.allCases { #expect(!option.summary.contains("\n")) }
    }
}
