/// Why the directory of SFTP_SOURCE_DIR or SFTP_TARGET_DIR cannot be worked in, and what stands where it should be.
///
/// It is asked for only after something has failed there, and costs a few requests then: a look at the path, and one
/// listing of the nearest directory above it that is there.
public struct DirectoryDiagnosis: Sendable, CustomStringConvertible {
    /// Which setting names the directory.
    public enum Setting: String, CaseIterable, Sendable {
        /// That of pull.
        case source = "SFTP_SOURCE_DIR"
        /// That of push and pushRetry.
        case target = "SFTP_TARGET_DIR"
    }

    /// What is wrong.
    public enum Problem: String, CaseIterable, Sendable {
        /// Nothing is at the path.
        case missing
        /// Something else than a directory is.
        case noDirectory
        /// The account may not list it.
        case denied

        /// How the message begins.
        public func symptom(_ setting: Setting, _ path: String) -> String {
            switch self {
            case .missing: "\(setting.rawValue) (\(path)) does not exist"
            case .noDirectory: "\(setting.rawValue) (\(path)) is no directory"
            case .denied: "\(setting.rawValue) (\(path)) may not be listed"
            }
        }

        /// What it means: for the page.
        public var meaning: String {
            switch self {
            case .missing:
                "There is no such directory on the server for this account. The message says what is there instead: "
                    + "names, with a slash behind directories, of the nearest directory above it that exists. A path that "
                    + "does not begin with a slash counts from the login directory, and capital letters count."
            case .noDirectory: "A file, or a link to something else, has that name."
            case .denied: "The directory is there, and the account has no right to read it."
            }
        }

        /// What to do: the end of the message.
        public func remedy(_ setting: Setting) -> String {
            switch self {
            case .missing: "correct \(setting.rawValue), or ask the partner to make the directory"
            case .noDirectory where setting == .target: "set SFTP_TARGET_DIR to the directory that takes the files"
            case .noDirectory: "set SFTP_SOURCE_DIR to the directory that holds the files"
            case .denied: "ask the partner to let this account list, read and rename in that directory"
            }
        }
    }

    /// Which setting names the directory.
    public let setting: Setting
    /// What is wrong.
    public let problem: Problem
    /// What was seen, without what to do.
    public let finding: String
    /// What to do.
    public var remedy: String { problem.remedy(setting) }

    /// All of it, on one line.
    public var description: String { "\(finding): \(remedy)" }

    /// How many directories upwards are looked for.
    private static let maximumLevels = 8
    /// How many names of a directory are read, and how many of them shown; and how much of each.
    private static let (maximumRead, maximumShown, maximumNameBytes) = (1_000, 20, 64)

    /// Finds out; nil when it is none of these problems, such as a connection that is lost.
    /// - Parameter failure: what the server answered to the listing of `path`.
    public init?(
        of setting: Setting, _ failure: RemoteFailure, at path: RemotePath, on files: any RemoteFiles
    ) async {
        // Servers differ in what they say of a path that is missing or no directory: OpenSSH calls both missing.
        guard [.notFound, .denied, .failed].contains(failure.reason) else { return nil }
        let attributes: RemoteAttributes?
        do {
            attributes = try await files.attributes(of: path)
        } catch {
            guard failure.reason != .failed else { return nil }
            attributes = nil
        }
        switch attributes?.kind {
        case .file, .special:
            self.init(setting, .noDirectory, path, failure, "")
        case .symbolicLink where failure.reason == .notFound:
            self.init(setting, .noDirectory, path, failure, "; it is a symbolic link that leads to no directory")
        default:
            if failure.reason == .notFound {
                let around = await Self.surroundings(of: path) { place throws(RemoteFailure) in
                    try await files.openDirectory(place)
                }
                self.init(setting, .missing, path, failure, around)
            } else if failure.reason == .denied {
                self.init(setting, .denied, path, failure, "")
            } else {
                return nil
            }
        }
    }

    /// Finds out whether something was missing because all of SFTP_TARGET_DIR is; nil when it is not.
    /// - Parameter failure: what the server answered to something in that directory.
    init?(missingTarget failure: RemoteFailure, at path: RemotePath, on destination: any RemoteDestination) async {
        guard failure.reason == .notFound else { return nil }
        do throws(RemoteFailure) {
            await (try await destination.openDirectory(path)).close()
            return nil
        } catch {
            guard error.reason == .notFound else { return nil }
        }
        let around = await Self.surroundings(of: path) { place throws(RemoteFailure) in
            try await destination.openDirectory(place)
        }
        self.init(.target, .missing, path, failure, around)
    }

    private init(
        _ setting: Setting, _ problem: Problem, _ path: RemotePath, _ failure: RemoteFailure, _ more: String
    ) {
        self.setting = setting
        self.problem = problem
        finding = "\(problem.symptom(setting, "\(path)")) (\(failure.message))\(more)"
    }

    private typealias Opening = (RemotePath) async throws(RemoteFailure) -> any RemoteListing

    /// What the nearest directory above holds, as the end of a sentence; empty when none can be listed.
    private static func surroundings(of path: RemotePath, opening: Opening) async -> String {
        var place = path
        for _ in 0..<maximumLevels {
            guard let above = place.directoryAbove else { return "" }
            place = above
            do {
                return "; \(place.bytes.isEmpty ? "the login directory" : "\(place)") holds "
                    + shown(try await names(in: place, opening: opening))
            } catch {
                // What is above may be missing as well; nothing else is worth another try.
                guard error.reason == .notFound else { return "" }
            }
        }
        return ""
    }

    private static func names(
        in directory: RemotePath, opening: Opening
    ) async throws(RemoteFailure) -> [(name: String, isDirectory: Bool)] {
        let listing = try await opening(directory)
        var found: [(name: String, isDirectory: Bool)] = []
        do throws(RemoteFailure) {
            while found.count < maximumRead, let entries = try await listing.next() {
                for case .entry(let name, let attributes) in entries.prefix(maximumRead - found.count) {
                    found.append((name: printable(name.bytes.prefix(maximumNameBytes)), attributes.kind == .directory))
                }
            }
        } catch {
            await listing.close()
            throw error
        }
        await listing.close()
        return found
    }

    /// Directories first: one of them is meant.
    private static func shown(_ names: [(name: String, isDirectory: Bool)]) -> String {
        guard !names.isEmpty else { return "nothing" }
        let directories = names.filter(\.isDirectory).map { "\($0.name)/" }.sorted()
        let all = directories + names.filter { !$0.isDirectory }.map(\.name).sorted()
        let more = all.count - maximumShown
        let count = all.count < maximumRead ? "\(more)" : "many"
        return all.prefix(maximumShown).joined(separator: ", ") + (more > 0 ? " and \(count) more" : "")
    }
}

extension RemotePath {
    /// The directory that holds it; nil for the login directory, the root, and a path that ends in `.` or `..`.
    var directoryAbove: RemotePath? {
        let slash = UInt8(ascii: "/")
        guard let end = bytes.lastIndex(of: slash) else {
            return RemoteName(bytes: bytes) == nil ? nil : RemotePath("")
        }
        guard bytes.count > 1, RemoteName(bytes: Array(bytes[(end + 1)...])) != nil else { return nil }
        return RemotePath(bytes: bytes[..<max(end, 1)])
    }
}
