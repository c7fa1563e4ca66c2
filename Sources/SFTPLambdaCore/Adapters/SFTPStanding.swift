import SFTP

/// What stands at a path, as the answer to an LSTAT tells.
enum SFTPStanding {
    case nothing, something, directory
    /// The server does not tell.
    case unknown

    /// Whether something stands there for certain.
    var isThere: Bool { self == .something || self == .directory }
}

extension SFTPFlight {
    /// What the answer to the LSTAT of this place in the flight tells.
    /// - Throws: what is no answer of the server: the connection is lost, or the protocol broken.
    func standing(_ item: Int) async throws(SFTPError) -> SFTPStanding {
        do {
            return try await attributes(item).kind == .directory ? .directory : .something
        } catch {
            guard case .status(let status) = error.reason else { throw error }
            return status == .noSuchFile ? .nothing : .unknown
        }
    }
}
