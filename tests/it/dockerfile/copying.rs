//! `COPY` and `ADD`.

use serde_json::json;

use super::fixture::{Project, show_built};

#[test]
fn files_of_context_stages_and_images_meet() {
    let mut project = Project::new();
    project
        .image("base", &json!({}), &[&["d etc", "f etc/old base", "d usr/lib", "s lib usr/lib"]])
        .image("tools", &json!({}), &[&["d bin", "7:8 f bin/tool binary"]]);
    project.file("etc/new", "context").file("etc/sub/x", "x").file("a.txt", "a");
    let built = project
        .build(
            "FROM base AS one\n\
             COPY a.txt /lib/\n\
             FROM base\n\
             COPY etc /etc\n\
             COPY --from=one /usr/lib/a.txt /srv/renamed\n\
             COPY --from=tools --chmod=0755 bin/tool /usr/bin/\n",
        )
        .unwrap();
    assert_eq!(
        show_built(&built),
        "0755 0:0 /etc/\n\
         0644 0:0 /etc/new \"context\"\n\
         0644 0:0 /etc/old \"base\"\n\
         0755 0:0 /etc/sub/\n\
         0644 0:0 /etc/sub/x \"x\"\n\
         0755 0:0 /lib -> usr/lib\n\
         0755 0:0 /srv/\n\
         0644 0:0 /srv/renamed \"a\"\n\
         0755 0:0 /usr/\n\
         0755 0:0 /usr/bin/\n\
         0755 7:8 /usr/bin/tool \"binary\"\n\
         0755 0:0 /usr/lib/\n"
    );
}
