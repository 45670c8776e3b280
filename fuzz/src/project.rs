//! Sound files of projects.

pub(crate) fn arg_files() -> Vec<Vec<u8>> {
    let text = "# a comment\nexport CUSTOM_TAG=demo\nOS_DISTRIBUTION=ubuntu\nIMAGE_REPO=$OS_DISTRIBUTION # same\n\
                OS_VERSION=22.04\nMY_ORG=\"ACME \\\"Corp\\\" ${CUSTOM_TAG}\"\nBRANDING='a $b'\nHTTP_PROXY=http://u:p@h:1\n";
    vec![text.into(), b"A=1\nA=$A$A\n".to_vec()]
}

pub(crate) fn user_data() -> Vec<Vec<u8>> {
    let text = "#cloud-config\nstylus:\n  site:\n    edgeHostToken: abc\n    network:\n      interfaces:\n        \
                eth0: {type: static, ipAddress: 10.0.0.1/24}\nstages:\n  initramfs:\n    - name: x\n      users:\n        \
                kairos: &u\n          passwd: kairos\n        other: *u\n";
    vec![text.into()]
}
