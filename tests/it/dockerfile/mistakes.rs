//! Planted mistakes: what is said about them.

use serde_json::json;

use super::fixture::Project;

fn project() -> Project {
    let mut project = Project::new();
    project
        .image(
            "base",
            &json!({}),
            &[&["d etc", "f etc/passwd root:x:0:0::/root:/bin/sh", "f file x", "s loop loop"]],
        )
        .image("trigger", &json!({ "OnBuild": ["COPY . /app"] }), &[&["d etc"]])
        .image("odd", &json!({ "Env": "A=1" }), &[&["d etc"]]);
    project.file("a", "a").file("b", "b").file("d/x", "x").file("secret/key", "k");
    project.symlink("out", "/etc/hostname").symlink("up", "../../etc");
    project.ignore = bootwright::dockerfile::Ignore::parse(".dockerignore", b"secret").unwrap();
    project
}

#[test]
fn mistakes_are_told_with_line_and_way_out() {
    let project = project();
    let mut told = String::new();
    for text in [
        "",
        "# only a comment\n",
        "RUN true\n",
        "FROM base\n\nRNU apt-get update\n",
        "FROM base\nAPT install\n",
        "FROM\n",
        "FROM base AS\n",
        "FROM base AS 1st\n",
        "FROM base AS a\nFROM base AS A\n",
        "FROM base AS scratch\n",
        "FROM --arch=amd64 base\n",
        "FROM --platform=windows/amd64/x/y base\n",
        "ARG BASE\nFROM $BASE\n",
        "FROM nowhere:1\n",
        "FROM trigger\n",
        "FROM odd\n",
        "FROM base\nONBUILD COPY . /app\n",
        "# escape=x\nFROM base\n",
        "# escape=`\n# escape=\\\nFROM base\n",
        "FROM base\nCOPY a\n",
        "FROM base\nCOPY a b /c\n",
        "FROM base\nCOPY missing /\n",
        "FROM base\nCOPY secret/key /\n",
        "FROM base\nCOPY out /\n",
        "FROM base\nCOPY up /\n",
        "FROM base\nCOPY ../a /x\nCOPY ../../nothing /\n",
        "FROM base\nCOPY --chown=nobody a /\n",
        "FROM base\nCOPY --chmod=u+x a /\n",
        "FROM base\nCOPY --form=base a /\n",
        "FROM base\nCOPY --from=$STAGE a /\n",
        "FROM base\nCOPY --from=base --from=base a /\n",
        "FROM base\nCOPY d /file\n",
        "FROM base\nCOPY a /file/x\n",
        "FROM base\nCOPY a /loop/\n",
        "FROM base\nCOPY [a /\n",
        "FROM base\nCOPY a[ /\n",
        "FROM base\nADD https://example.org/x.tar.gz /\n",
        "FROM base\nCOPY <<EOF /x\nhello\n",
        "FROM base\nENV A\n",
        "FROM base\nENV A=\"1\n",
        "FROM base\nENV A=\"${B:?must be given}\"\n",
        "FROM base\nENV A=${B^^}\n",
        "FROM base\nLABEL =x\n",
        "FROM base\nEXPOSE 70000\n",
        "FROM base\nSHELL /bin/bash -c\n",
        "FROM base\nSTOPSIGNAL SIGNONE\n",
        "FROM base\nHEALTHCHECK --interval=5 CMD true\n",
        "FROM base\nHEALTHCHECK curl\n",
        "FROM base\nUSER a b\n",
        "FROM base\nRUN apt-get install -y \\\n  # the editor\n  vim\n",
        "FROM base\nARG\n",
        "FROM base\nWORKDIR /file/x\n",
    ] {
        told += &format!("--- {text:?}\n{}\n", project.error(text));
    }
    insta::assert_snapshot!(told);
}

#[test]
fn a_target_that_is_not_there() {
    let mut project = project();
    project.target = Some("prod".to_owned());
    assert_eq!(
        project.error("FROM base AS one\nFROM base\n"),
        "Dockerfile: no stage \"prod\": there are one, 1"
    );
}

#[test]
fn arguments_that_nobody_takes_are_told() {
    let mut project = project();
    project.arg("VERISON", "1").arg("HTTP_PROXY", "http://proxy").arg("VERSION", "2");
    project.build("FROM base\nARG VERSION\n").unwrap();
    assert_eq!(
        *project.warnings.lock().unwrap(),
        ["Dockerfile: no ARG takes build argument VERISON"]
    );
    assert!(matches!(
        project.reference("base"),
        bootwright::oci::Reference::Layout { tag: None, .. }
    ));
}
