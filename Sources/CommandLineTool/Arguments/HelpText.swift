import SFTPLambdaCore

/// What `--help` says.
enum HelpText {
    /// How a program is called, one form to an entry.
    static func forms(of function: LambdaFunction) -> [String] {
        switch function {
        case .pull: ["pull [OPTION…]"]
        case .push: ["push [OPTION…] s3://BUCKET/KEY…", "push [OPTION…] --event FILE"]
        case .pushRetry: ["pushRetry [OPTION…]"]
        }
    }

    /// What a program does, in a sentence.
    static func purpose(of function: LambdaFunction) -> String {
        switch function {
        case .pull:
            "Takes the files below SFTP_SOURCE_DIR of the partner's SFTP server into an S3 bucket. SFTP_AFTER_PULL says "
                + "what becomes of those that were taken."
        case .push:
            "Sends objects of S3 to the partner's SFTP server, below SFTP_TARGET_DIR, and marks them as sent. Here it needs "
                + "no SFTP_RETRY_QUEUE_NAME; with one, what fails goes there."
        case .pushRetry: "Sends what push could not: works through the retry queue once."
        }
    }

    /// The whole text.
    static func text(of function: LambdaFunction) -> String {
        var lines = ["Usage:"] + forms(of: function).map { "  \($0)" }
        lines += ["", purpose(of: function), "", "Options:"]
        for option in CommandOption.allCases where option.functions.contains(function) {
            lines += ["  \(option.synopsis)", "      \(option.summary)"]
        }
        lines += ["", "Exit status:"]
        lines += ExitStatus.allCases.map { status in
            let number = String(status.rawValue)
            return "  \(String(repeating: " ", count: 3 - number.count))\(number)  \(status.summary)"
        }
        lines += ["", "The result goes to standard output, the log to standard error.", ""]
        return lines.joined(separator: "\n") + "\n" + SettingsDocument.help(for: function)
            + SettingsDocument.standardVariablesHelp
    }
}
