import AWS
import HTTP
import Testing

/// Cases of AWS's published Signature Version 4 test suite, as a table of our own. All of them sign with the example key
/// for 20150830T123600Z, us-east-1 and the service named `service`.
@Suite struct SigV4SuiteTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var method = "GET"
        var target = "/"
        var headers: [(String, String)] = []
        var body = ""
        /// The SHA-256 of the canonical request.
        var canonicalHash: String
        var signature: String

        var testDescription: String { name }
    }

    static let vanillaHash = "bb579772317eb040ac9ed261061d46c1f17a8133879d6129b6e1c25292927e63"
    static let vanillaSignature = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    static let postHash = "553f88c9e4d10fc9e109e2aeb65f030801b70c2f6468faca261d401ae622fc87"
    static let postSignature = "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
    static let postQueryHash = "9d659678c1756bb3113e2ce898845a0a79dbbc57b740555917687f1b3340fbbd"
    static let postQuerySignature = "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"
    static let unreserved = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    static let sessionToken =
        "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuw"
        + "thAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHN"
        + "VXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxB"
        + "A=="

    static let cases: [Case] = [
        Case(
            name: "get-header-key-duplicate",
            headers: [("My-Header1", "value2"), ("My-Header1", "value2"), ("My-Header1", "value1")],
            canonicalHash: "dc7f04a3abfde8d472b0ab1a418b741b7c67174dad1551b4117b15527fbe966c",
            signature: "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"),
        Case(
            // The suite's folded line stands for three values.
            name: "get-header-value-multiline",
            headers: [("My-Header1", "value1"), ("My-Header1", "  value2"), ("My-Header1", "     value3")],
            canonicalHash: "b7b6cbfd8a0430b78891e986784da2630c8a135a8595cec25b26ea94f926ee55",
            signature: "ba17b383a53190154eb5fa66a1b836cc297cc0a3d70a5d00705980573d8ff790"),
        Case(
            name: "get-header-value-order",
            headers: [
                ("My-Header1", "value4"), ("My-Header1", "value1"), ("My-Header1", "value3"), ("My-Header1", "value2"),
            ],
            canonicalHash: "31ce73cd3f3d9f66977ad3dd957dc47af14df92fcd8509f59b349e9137c58b86",
            signature: "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"),
        Case(
            name: "get-header-value-trim",
            headers: [("My-Header1", " value1"), ("My-Header2", " \"a   b   c\"")],
            canonicalHash: "a726db9b0df21c14f559d0a978e563112acb1b9e05476f0a6a1c7d68f28605c7",
            signature: "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"),
        Case(
            name: "get-unreserved", target: "/\(unreserved)",
            canonicalHash: "6a968768eefaa713e2a6b16b589a8ea192661f098f37349f4e2c0082757446f9",
            signature: "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"),
        Case(
            name: "get-utf8", target: "/\u{1234}",
            canonicalHash: "2a0a97d02205e45ce2e994789806b19270cfbbb0921b278ccf58f5249ac42102",
            signature: "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
        Case(name: "get-vanilla", canonicalHash: vanillaHash, signature: vanillaSignature),
        Case(
            name: "get-vanilla-empty-query-key", target: "/?Param1=value1",
            canonicalHash: "1e24db194ed7d0eec2de28d7369675a243488e08526e8c1c73571282f7c517ab",
            signature: "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"),
        Case(name: "get-vanilla-query", canonicalHash: vanillaHash, signature: vanillaSignature),
        Case(
            name: "get-vanilla-query-order-key", target: "/?Param1=value2&Param1=Value1",
            canonicalHash: "704b4cef673542d84cdff252633f065e8daeba5f168b77116f8b1bcaf3d38f89",
            signature: "eedbc4e291e521cf13422ffca22be7d2eb8146eecf653089df300a15b2382bd1"),
        Case(
            name: "get-vanilla-query-order-key-case", target: "/?Param2=value2&Param1=value1",
            canonicalHash: "816cd5b414d056048ba4f7c5386d6e0533120fb1fcfa93762cf0fc39e2cf19e0",
            signature: "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
        Case(
            name: "get-vanilla-query-order-value", target: "/?Param1=value2&Param1=value1",
            canonicalHash: "c968629d70850097a2d8781c9bf7edcb988b04cac14cca9be4acc3595f884606",
            signature: "5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694"),
        Case(
            name: "get-vanilla-query-unreserved", target: "/?\(unreserved)=\(unreserved)",
            canonicalHash: "c30d4703d9f799439be92736156d47ccfb2d879ddf56f5befa6d1d6aab979177",
            signature: "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"),
        Case(
            name: "get-vanilla-utf8-query", target: "/?\u{1234}=bar",
            canonicalHash: "eb30c5bed55734080471a834cc727ae56beb50e5f39d1bff6d0d38cb192a7073",
            signature: "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"),
        Case(name: "post-header-key-case", method: "POST", canonicalHash: postHash, signature: postSignature),
        Case(
            name: "post-header-key-sort", method: "POST", headers: [("My-Header1", "value1")],
            canonicalHash: "9368318c2967cf6de74404b30c65a91e8f6253e0a8659d6d5319f1a812f87d65",
            signature: "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"),
        Case(
            name: "post-header-value-case", method: "POST", headers: [("My-Header1", "VALUE1")],
            canonicalHash: "d51ced243e649e3de6ef63afbbdcbca03131a21a7103a1583706a64618606a93",
            signature: "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"),
        Case(name: "post-vanilla", method: "POST", canonicalHash: postHash, signature: postSignature),
        Case(
            name: "post-vanilla-empty-query-value", method: "POST", target: "/?Param1=value1",
            canonicalHash: postQueryHash, signature: postQuerySignature),
        Case(
            name: "post-vanilla-query", method: "POST", target: "/?Param1=value1", canonicalHash: postQueryHash,
            signature: postQuerySignature),
        Case(
            name: "post-x-www-form-urlencoded", method: "POST",
            headers: [("Content-Type", "application/x-www-form-urlencoded")], body: "Param1=value1",
            canonicalHash: "42a5e5bb34198acb3e84da4f085bb7927f2bc277ca766e6d19c73c2154021281",
            signature: "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"),
        Case(
            name: "post-x-www-form-urlencoded-parameters", method: "POST",
            headers: [("Content-Type", "application/x-www-form-urlencoded; charset=utf8")], body: "Param1=value1",
            canonicalHash: "2e1cf7ed91881a30569e46552437e4156c823447bf1781b921b5d486c568dd1c",
            signature: "1a72ec8f64bd914b0e42e42607c7fbce7fb2c7465f63e3092b3b0d39fa77a6fe"),
        Case(
            name: "normalize-path/get-relative", target: "/example/..", canonicalHash: vanillaHash,
            signature: vanillaSignature),
        Case(
            name: "normalize-path/get-relative-relative", target: "/example1/example2/../..",
            canonicalHash: vanillaHash, signature: vanillaSignature),
        Case(
            name: "normalize-path/get-slash", target: "//", canonicalHash: vanillaHash, signature: vanillaSignature),
        Case(
            name: "normalize-path/get-slash-dot-slash", target: "/./", canonicalHash: vanillaHash,
            signature: vanillaSignature),
        Case(
            name: "normalize-path/get-slash-pointless-dot", target: "/./example",
            canonicalHash: "214d50c111a8edc4819da6a636336472c916b5240f51e9a51b5c3305180cf702",
            signature: "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5"),
        Case(
            name: "normalize-path/get-slashes", target: "//example//",
            canonicalHash: "cb96b4ac96d501f7c5c15bc6d67b3035061cfced4af6585ad927f7e6c985c015",
            signature: "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"),
        Case(
            name: "normalize-path/get-space", target: "/example space/",
            canonicalHash: "63ee75631ed7234ae61b5f736dfc7754cdccfedbff4b5128a915706ee9390d86",
            signature: "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"),
        Case(
            name: "post-sts-token/post-sts-header-after", method: "POST", canonicalHash: postHash,
            signature: postSignature),
        Case(
            name: "post-sts-token/post-sts-header-before", method: "POST",
            headers: [("X-Amz-Security-Token", sessionToken)],
            canonicalHash: "c237e1b440d4c63c32ca95b5b99481081cb7b13c7e40434868e71567c1a882f6",
            signature: "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"),
    ]

    static let scope = SigningScope(region: "us-east-1", service: "service", epochSeconds: 1_440_938_160)
    static let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

    @Test(arguments: cases) func everyStageGivesThePublishedValue(_ published: Case) {
        var headers: HTTPHeaders = ["Host": "example.amazonaws.com", "X-Amz-Date": "20150830T123600Z"]
        for (name, value) in published.headers { headers.add(name, value) }
        let request = HTTPRequest(
            HTTPMethod(rawValue: published.method), "https://example.amazonaws.com\(published.target)", headers: headers
        )
        let payloadHash = hexadecimal(SHA256Hasher.digest(published.body.utf8))

        let canonical = SigV4.canonicalRequest(request, payloadHash: payloadHash, pathRule: .general)
        #expect(hexadecimal(SHA256Hasher.digest(canonical.text.utf8)) == published.canonicalHash)

        let stringToSign = SigV4.stringToSign(canonical, scope: Self.scope)
        #expect(
            stringToSign == """
                AWS4-HMAC-SHA256
                20150830T123600Z
                20150830/us-east-1/service/aws4_request
                \(published.canonicalHash)
                """)

        let key = SigV4.signingKey(secretAccessKey: Self.secret, scope: Self.scope)
        #expect(SigV4.signature(stringToSign, signingKey: key) == published.signature)
    }

    @Test func canonicalRequestIsWrittenAsTheSuiteWritesIt() {
        let request = HTTPRequest(
            .get, "https://example.amazonaws.com/?Param1=value2&Param1=Value1",
            headers: ["X-Amz-Date": "20150830T123600Z", "Host": "example.amazonaws.com", "My-Header2": "  a   b "])
        let hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        let canonical = SigV4.canonicalRequest(request, payloadHash: hash, pathRule: .general)
        #expect(canonical.signedHeaders == "host;my-header2;x-amz-date")
        #expect(
            canonical.text == """
                GET
                /
                Param1=Value1&Param1=value2
                host:example.amazonaws.com
                my-header2:a b
                x-amz-date:20150830T123600Z

                host;my-header2;x-amz-date
                \(hash)
                """)
    }

    @Test func signerPutsTheStepsTogetherAndCarriesTheSessionToken() {
        let credentials = AWSCredentials(
            accessKeyID: "AKIDEXAMPLE", secretAccessKey: Self.secret, sessionToken: Self.sessionToken)
        let signed = SigV4Signer().sign(
            HTTPRequest(.post, "https://example.amazonaws.com/"), scope: Self.scope, credentials: credentials,
            payloadHash: hexadecimal(SHA256Hasher.digest([])), pathRule: .general)
        #expect(signed.headers["X-Amz-Security-Token"] == Self.sessionToken)
        #expect(
            signed.headers["Authorization"]
                == "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                + "SignedHeaders=host;x-amz-date;x-amz-security-token, "
                + "Signature=85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead")
    }
}

func hexadecimal(_ bytes: [UInt8]) -> String {
    bytes.map { byte in
        let text = String(byte, radix: 16)
        return text.utf8.count == 1 ? "0\(text)" : text
    }.joined()
}
