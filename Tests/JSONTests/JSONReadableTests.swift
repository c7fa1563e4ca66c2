import JSON
import Testing

/// Fields are read leniently where nothing is lost, and a fault names its field and shows no value.
@Suite struct JSONReadableTests {
    private struct Person: JSONReadable, Equatable {
        var name: String
        var isAway: Bool?
        var friends: [Person]?
        var notes: [String: String]?

        init(name: String) { self.name = name }

        init(json: JSONValue) throws(JSONFieldFault) {
            name = try json.required("name")
            isAway = try json.optional("isAway")
            friends = try json.optional("friends")
            notes = try json.optional("notes")
        }
    }

    private func read(_ json: String) throws -> Person { try Person(parsing: Array(json.utf8)) }

    @Test func fieldsAreReadAndOthersIgnored() throws {
        var ann = Person(name: "Ann")
        #expect(try read(#"{"name":"Ann","other":{"deep":[1]},"isAway":null}"#) == ann)
        ann.isAway = true
        ann.friends = [Person(name: "Bob")]
        ann.notes = ["a": "2", "b": "3"]
        let json = #"{"notes":{"a":"1","b":"3","a":"2"},"friends":[{"name":"Bob"}],"isAway":true,"name":"Ann"}"#
        #expect(try read(json) == ann)
    }

    @Test(arguments: [
        ("{}", "name is missing"), (#"{"name":null}"#, "name is null"), (#"{"name":7}"#, "name is no String"),
        (#"{"name":"s3cret","isAway":"s3cret"}"#, "isAway is no Bool"),
        (#"{"name":"s3cret","isAway":0}"#, "isAway is no Bool"),
        (#"{"name":"a","friends":{"s3cret":1}}"#, "friends is no Array"),
        (#"{"name":"a","friends":["s3cret"]}"#, "friends.0 is no Object"),
        (#"{"name":"a","friends":[{"name":"b"},{"name":["s3cret"]}]}"#, "friends.1.name is no String"),
        (#"{"name":"a","friends":[null]}"#, "friends.0 is null"),
        (#"{"name":"a","notes":{"b":1}}"#, "notes.b is no String"),
        (#"{"name":"a","notes":{"b":null}}"#, "notes.b is null"),
        (#"{"name":"a","notes":"s3cret"}"#, "notes is no Object"),
        (#"["s3cret"]"#, "the whole is no Object"), (#""s3cret""#, "the whole is no Object"),
        ("null", "the whole is null"),
        (#"{"name":"s3cret"#, "it is not JSON: text does not end, at byte 15"),
    ]) func aFaultNamesItsFieldAndQuotesNothing(json: String, words: String) throws {
        let error = try #require(throws: (any Error).self) { try read(json) }
        #expect("\(error)" == words)
    }
}
