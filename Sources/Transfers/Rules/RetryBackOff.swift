/// How long a message that failed is left alone.
enum RetryBackOff {
    private static let firstSeconds = 60
    private static let mostSeconds = 3600
    private static let mostDoublings = 6

    /// Twice as long after each receive, from a minute up to an hour.
    static func seconds(afterReceives count: Int) -> Int {
        min(mostSeconds, firstSeconds << min(max(0, count - 1), mostDoublings))
    }
}
