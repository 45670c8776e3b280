//! Small sound inputs in text.

/// Instructions of every kind. A line of dashes stands before a `.dockerignore`.
pub(crate) fn dockerfiles() -> Vec<Vec<u8>> {
    [
        "# escape=`\nARG A=1\nFROM scratch AS one\nENV B=\"${A:-x}\" C=${B#*a}${B//x/y}\n\
         COPY --chmod=0644 <<EOF <<-'END' /etc/\n$B\nEOF\n\tplain\n\tEND\nWORKDIR /w\n\
         FROM one\nCOPY --from=one --chown=1:2 --parents /etc/./EO* /x/\n",
        "FROM scratch\nLABEL a=b 'c d'=e\nEXPOSE 80 90-99/udp\nVOLUME [\"/v\", \"/w\"]\nUSER 1\n\
         HEALTHCHECK --interval=1m30s --retries=3 CMD [\"x\"]\nSTOPSIGNAL SIGTERM\nCMD a \\\n # c\n\n b\n\
         SHELL [\"/bin/sh\", \"-c\"]\nENTRYPOINT [\"x\"]\n",
        "FROM scratch\nRUN mkdir -p /a/b && touch /a/b/c; if [ -f /a/b/c ] || ! true; then \\\n\
         cp -a /a/. /x/; elif test \"$A\" = b; then rm -rf /a; else ln -sf /a /l; fi\n\
         RUN sed -i 's|\\(a=\"[^\"]*\\)\"|\\1 b\"|' /x\n",
        "FROM scratch\n----\n# comment\n*\n!a/**/[b-d]?\n**/*.o\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into()
}

/// A name of several parts and types, in a certificate without a key or signature.
pub(crate) fn certificates() -> Vec<Vec<u8>> {
    let sequence = |tag: u8, parts: &[&[u8]]| {
        let content = parts.concat();
        [&[tag, u8::try_from(content.len()).expect("seeds are small")], &content[..]].concat()
    };
    let attribute =
        |tag, text: &[u8]| sequence(0x30, &[&[6, 3, 0x55, 4, 3], &sequence(tag, &[text])]);
    let name = sequence(
        0x30,
        &[
            &sequence(0x31, &[&attribute(12, " A  b ".as_bytes()), &attribute(19, b"C")]),
            &sequence(0x31, &[&attribute(30, b"\0A\0b")]),
        ],
    );
    let empty = sequence(0x30, &[]);
    let version = sequence(0xa0, &[&[2, 1, 2]]);
    let fields = [&version[..], &[2, 1, 1], &empty, &empty, &empty, &name];
    let der = sequence(0x30, &[&sequence(0x30, &fields)]);
    let pem = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    vec![der, pem.as_bytes().to_vec()]
}
