import TestKit
import Testing

@testable import AWS

@Suite struct XMLPullParserTests {
    @Test func readsWhatS3Sends() throws {
        let root = try XMLElement.parse(
            Array(
                """
                  \n <?xml version="1.0" encoding="UTF-8"?>
                <!-- a > comment -->
                <s3:ListPartsResult xmlns:s3="http://s3.amazonaws.com/doc/2006-03-01/" a='>'>
                  <Key>a &lt;b&gt; &amp;amp; &quot;&apos; &#228;&#xE4;&#x1F600; <![CDATA[<raw> &amp; ]]></Key><Empty/><Empty />
                  <Part><PartNumber> 1 </PartNumber></Part><Part><PartNumber>2</PartNumber></Part>
                </s3:ListPartsResult>
                """.utf8))
        #expect(root.name == "ListPartsResult")
        #expect(root.value("Key") == "a <b> &amp; \"' ää😀 <raw> &amp;")
        #expect(root.value("Empty") == "" && root.value("Missing") == nil)
        #expect(root.all("Part").map { $0.value("PartNumber") } == ["1", "2"])
    }

    @Test(arguments: [
        "", "   ", "text", "<a>", "<a></b>", "</a>", "<a", "<a b", "<a b=c/>", "<a b=\"c/>", "<a>&unknown;</a>",
        "<a>&#0;</a>",
        "<a>&#xD800;</a>", "<a>&#x110000;</a>", "<a>&#+5;</a>", "<a>&</a>", "<a>&amp</a>", "<!DOCTYPE a><a/>",
        "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>", "<a/><b/>", "<a/>text", "<![CDATA[x]]>", "<a><![CDATA[x</a>",
        "<!--", "<?xml",
        "<>", "< a/>", "<a><//a>", "<a/ >", "\u{0}", "<a>&#99999999999999999999;</a>",
    ]) func refusesWhatIsNotWellFormed(_ text: String) {
        #expect(throws: XMLError.self) { try XMLElement.parse(Array(text.utf8)) }
    }

    @Test func depthNamesAndNumbersAreBounded() throws {
        let deep = { (count: Int) in
            Array((String(repeating: "<a>", count: count) + String(repeating: "</a>", count: count)).utf8)
        }
        #expect(try XMLElement.parse(deep(XMLPullParser.maximumDepth)).name == "a")
        #expect(throws: XMLError.self) { try XMLElement.parse(deep(XMLPullParser.maximumDepth + 1)) }
        let many = "<a>" + String(repeating: "<b/>", count: XMLElement.maximumElements) + "</a>"
        #expect(throws: XMLError.self) { try XMLElement.parse(Array(many.utf8)) }
        #expect(throws: XMLError.self) {
            try XMLElement.parse(Array("<\(String(repeating: "n", count: 257))/>".utf8))
        }
    }

    @Test func noInputCrashesIt() {
        var random = SeededGenerator(seed: 5)
        let seed = Array(
            "<?xml version=\"1.0\"?><Error a='b'><Code>x&amp;&#65;</Code><!-- c --><![CDATA[d]]><E/></Error>".utf8)
        let salt = Array("<>&;#x/!-?[]\"'= \u{0}ä".utf8)
        for _ in 0..<20_000 {
            var bytes = seed
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let index = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0...3, using: &random) {
                case 0: bytes[index] = salt[Int.random(in: 0..<salt.count, using: &random)]
                case 1: bytes.remove(at: index)
                case 2: bytes.insert(UInt8.random(in: 0...255, using: &random), at: index)
                default: bytes.removeLast(min(bytes.count - 1, Int.random(in: 0...40, using: &random)))
                }
            }
            // Any outcome but a crash is right.
            _ = try? XMLElement.parse(bytes)
        }
    }

    @Test func escapedTextReadsBackTheSame() throws {
        let text = "a<b>&\"'\r\n\tä😀&amp;"
        let root = try XMLElement.parse(Array("<a>\(XMLElement.escaped(text))</a>".utf8))
        #expect(root.text == text)
    }
}
