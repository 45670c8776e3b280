//! A row for each row of the documented tables of `.arg`.

use super::*;

/// Key, its value when nobody says, values that pass and values that do not.
type Row = (&'static str, &'static str, &'static [&'static str], &'static [&'static str]);

const ROWS: &[Row] = &[
    ("CUSTOM_TAG", "", &["demo", "palette-learn"], &["Demo", "my tag", "a/b"]),
    (
        "IMAGE_REGISTRY",
        "",
        &["ttl.sh", "spectrocloud", "docker.io/spectrocloud", "localhost:5000"],
        &["https://ttl.sh", "my_registry.io", "ttl.sh/", "host:port"],
    ),
    (
        "OS_DISTRIBUTION",
        "",
        &["ubuntu", "opensuse-leap", "rhel", "sles", "hadron"],
        &["Ubuntu", "a b"],
    ),
    ("IMAGE_REPO", "", &["ubuntu", "my/repo"], &["Ubuntu", "/ubuntu", "a b"]),
    ("OS_VERSION", "", &["20", "22", "22.04", "24.04", "15.6", "5.4"], &["22,04", "22 04", "LTS"]),
    (
        "K8S_DISTRIBUTION",
        "",
        &["k3s", "rke2", "kubeadm", "kubeadm-fips", "nodeadm", "canonical"],
        &["K3S", "k8s", "eks"],
    ),
    ("K8S_VERSION", "", &["1.27.2", "1.30.10"], &["1.27", "v1.27.2", "1.27.2-k3s1", "latest"]),
    (
        "ISO_NAME",
        "installer",
        &["palette-edge-installer", "a_b"],
        &["a b", "../iso", ".hidden", "a/b"],
    ),
    ("ARCH", "amd64", &["amd64", "arm64"], &["x86_64", "AMD64", "arm"]),
    (
        "BASE_IMAGE",
        "",
        &["quay.io/kairos/ubuntu:20.04", "oci:build/base"],
        &["https://quay.io/x", "a b"],
    ),
    ("FIPS_ENABLED", "false", &["true", "false"], &["True", "yes", "1"]),
    (
        "HTTP_PROXY",
        "",
        &["http://proxy.example.com", "http://u:p@10.0.0.1:3128"],
        &["proxy:3128", "socks5://x", "http://"],
    ),
    ("HTTPS_PROXY", "", &["https://proxy.example.com", "http://proxy"], &["proxy", "ftp://x"]),
    ("NO_PROXY", "", &["10.10.128.10,10.0.0.0/8", ".local"], &["http://a", "a, b"]),
    ("PROXY_CERT_PATH", "", &["/etc/ssl/proxy.pem"], &["/etc/ssl/"]),
    ("UPDATE_KERNEL", "false", &["true", "false"], &["no", "TRUE"]),
    ("DISABLE_SELINUX", "true", &["true", "false"], &["0", "off"]),
    ("CLUSTERCONFIG", "", &["spc.tgz", "/x/spc.tgz"], &["folder/"]),
    ("IS_UKI", "false", &["true", "false"], &["y"]),
    ("UKI_BRING_YOUR_OWN_KEYS", "false", &["true", "false"], &["n"]),
    ("INCLUDE_MS_SECUREBOOT_KEYS", "true", &["true", "false"], &["all"]),
    // One table says true; the build itself says false, and so does the guide to trusted boot.
    ("AUTO_ENROLL_SECUREBOOT_KEYS", "false", &["true", "false"], &["force"]),
    (
        "EDGE_CUSTOM_CONFIG",
        ".edge-custom-config.yaml",
        &["/path/to/.edge-custom-config.yaml"],
        &["x/"],
    ),
    ("MAAS_IMAGE_NAME", "kairos-ubuntu-maas", &["my-custom-maas-image"], &["a/b", "a b"]),
    ("IS_MAAS", "false", &["true", "false"], &["maas"]),
];

fn resolve(arg_file: &str, command_line: &[String]) -> (Arguments, crate::project::Problems) {
    Arguments::resolve(&Sources {
        command_line,
        build_args: None,
        arg_file: Some(arg_file.as_bytes()),
        earthfile: None,
        tag: None,
        environment: &|_| None,
    })
}

#[test]
fn every_documented_row_holds() {
    let (defaults, problems) = resolve("", &[]);
    assert!(problems.iter().next().is_none(), "{problems:?}");
    for (key, default, allowed, refused) in ROWS {
        assert_eq!(defaults.get(key), *default, "{key}");
        for value in *allowed {
            for (file, words) in [
                (format!("{key}={}", quote(value).unwrap()), vec![]),
                (String::new(), vec![format!("{key}={value}")]),
            ] {
                let (arguments, problems) = resolve(&file, &words);
                assert!(!problems.has_errors(), "{key}={value}: {problems}");
                assert_eq!(arguments.get(key), *value, "{key}");
            }
        }
        for value in *refused {
            let (_, problems) = resolve("", &[format!("{key}={value}")]);
            let text = problems.to_string();
            assert!(problems.has_errors() && text.contains(key), "{key}={value}: {text}");
        }
    }
}

#[test]
fn the_repository_is_the_distribution_unless_somebody_says_otherwise() {
    let (arguments, _) = resolve("OS_DISTRIBUTION=ubuntu\n", &["OS_DISTRIBUTION=sles".into()]);
    assert_eq!(arguments.get("IMAGE_REPO"), "sles");
    let (arguments, _) = resolve("OS_DISTRIBUTION=ubuntu\nIMAGE_REPO=$OS_DISTRIBUTION-x\n", &[]);
    assert_eq!(arguments.get("IMAGE_REPO"), "ubuntu-x");
}

#[test]
fn the_command_line_wins_over_the_environment_and_that_over_the_file() {
    let sources = |command_line, build_args| Sources {
        command_line,
        build_args,
        arg_file: Some(&b"ISO_NAME=from-file\n"[..]),
        earthfile: Some(
            &b"ARG ISO_NAME=from-earthfile\nARG K3S_FLAVOR_TAG=k3s9\nARG PE_VERSION=v1.2.3\n"[..],
        ),
        tag: Some("v9.9.9"),
        environment: &|_| None,
    };
    let words = ["ISO_NAME=from-words".to_owned()];
    let iso = |words, environment| {
        let (arguments, _) = Arguments::resolve(&sources(words, environment));
        (arguments.get("ISO_NAME").to_owned(), arguments.origin("ISO_NAME").to_string())
    };
    let from_environment = Some("X=1,ISO_NAME=from-environment,NO_PROXY=a\\,b");
    assert_eq!(iso(&words, from_environment), ("from-words".into(), "command line".into()));
    assert_eq!(
        iso(&[], from_environment),
        ("from-environment".into(), "EARTHLY_BUILD_ARGS".into())
    );
    assert_eq!(iso(&[], None), ("from-file".into(), ".arg:1".into()));
    let (arguments, _) = Arguments::resolve(&sources(&[], from_environment));
    assert_eq!(arguments.get("K3S_FLAVOR_TAG"), "k3s9");
    assert_eq!(arguments.origin("K3S_FLAVOR_TAG").to_string(), "Earthfile:2");
    assert_eq!(arguments.get("PE_VERSION"), "v1.2.3");
    assert_eq!(arguments.get("no_proxy"), "a,b");
}

#[test]
fn derived_values_follow_their_sources() {
    let base = |text: &str| resolve(text, &[]).0.get("BASE_IMAGE").to_owned();
    let host = "us-docker.pkg.dev/palette-images/edge";
    for (text, name) in [
        (
            "OS_DISTRIBUTION=ubuntu\nOS_VERSION=22\nIS_UKI=true",
            "kairos-ubuntu:22.04-core-amd64-generic-v0.17.1",
        ),
        (
            "OS_DISTRIBUTION=ubuntu\nOS_VERSION=22.04\nIS_UKI=true",
            "kairos-ubuntu:22.04-core-amd64-generic-v0.17.1-uki",
        ),
        (
            "OS_DISTRIBUTION=ubuntu\nOS_VERSION=24.04\nARCH=arm64",
            "kairos-ubuntu:24.04-core-arm64-generic-v0.17.1",
        ),
        (
            "OS_DISTRIBUTION=opensuse-leap\nOS_VERSION=15.5",
            "kairos-opensuse:leap-15.5-core-amd64-generic-v0.17.1",
        ),
        ("OS_DISTRIBUTION=opensuse-leap", "kairos-opensuse:leap-15.6-core-amd64-generic-v0.17.1"),
    ] {
        assert_eq!(base(text), format!("{host}/{name}"));
    }
    assert_eq!(base("OS_DISTRIBUTION=rhel"), "");
    assert_eq!(base("OS_DISTRIBUTION=rhel\nBASE_IMAGE=x/y"), "x/y");

    let (fips, _) = resolve("FIPS_ENABLED=true\nK8S_DISTRIBUTION=kubeadm-fips", &[]);
    assert_eq!(fips.get("SPECTRO_PUB_REPO"), "us-docker.pkg.dev/palette-images-fips");
    assert_eq!(
        fips.provider_base(),
        "us-docker.pkg.dev/palette-images-fips/edge/kairos-io/provider-kubeadm:v4.10.1"
    );
    let (own, _) = resolve("FIPS_ENABLED=true\nSPECTRO_PUB_REPO=reg.example.com", &[]);
    assert_eq!(own.get("KAIROS_BASE_IMAGE_URL"), "reg.example.com/edge");

    let text = "IMAGE_REGISTRY=ttl.sh\nOS_DISTRIBUTION=ubuntu\nOS_VERSION=20\nK8S_DISTRIBUTION=rke2\nPE_VERSION=v4.4.12\nIS_MAAS=true\nMAAS_IMAGE_NAME=own.raw.gz";
    let (arguments, _) = resolve(text, &[]);
    assert_eq!(arguments.image_path("1.27.2"), "ttl.sh/ubuntu:rke2-1.27.2-v4.4.12");
    assert_eq!(arguments.kubernetes_package("1.27.2"), "k8s/rke2@1.27.2-rke2r1");
    assert_eq!(arguments.kairos_image_label(), "20.04-standard-amd64-generic-maas");
    assert_eq!(arguments.kairos_name(), "kairos-core-ubuntu-20");
    assert_eq!(arguments.luet_repository(), "us-docker.pkg.dev/palette-images/edge/luet-repo-amd");
    assert_eq!(arguments.get("MAAS_IMAGE_NAME"), "own");
    assert!(!arguments.is_jetson());
}

mod syntax {
    use super::*;
    use proptest::prelude::*;

    fn values(text: &str) -> Vec<(String, String)> {
        let environment = |name: &str| (name == "HOME").then(|| "/home/me".to_owned());
        let parsed = parse(ARG_FILE, text.as_bytes(), &environment);
        assert!(parsed.problems.is_empty(), "{:?}", parsed.problems);
        parsed.assignments.into_iter().map(|found| (found.name, found.value)).collect()
    }

    #[test]
    fn lines_are_read_as_a_shell_reads_them() {
        for (line, value) in [
            ("A=b", "b"),
            ("  export   A=b  # comment", "b"),
            ("A=", ""),
            ("A= # comment", ""),
            ("A=a#b", "a#b"),
            ("A='a $HOME # b'", "a $HOME # b"),
            ("A=\"a $HOME\"/'x'", "a /home/me/x"),
            ("A=${HOME}x$", "/home/mex$"),
            ("A=\"\\$HOME \\\"q\\\" \\n\"", "$HOME \"q\" \\n"),
            ("A=a\\ b", "a b"),
            ("\u{feff}A=b\r", "b"),
        ] {
            assert_eq!(values(line), [("A".to_owned(), value.to_owned())], "{line}");
        }
        assert_eq!(values("A=1\nB=$A$A\n# C=3\n\nA=2\nC=$A")[3].1, "2");
    }

    #[test]
    fn values_that_double_themselves_end() {
        let text = format!("A=xxxxxxxxxxxxxxxx\n{}", "A=$A$A\n".repeat(60));
        let parsed = parse(ARG_FILE, text.as_bytes(), &|_| None);
        assert!(parsed.problems[0].message.contains("64 KiB"));
    }

    proptest! {
        #[test]
        fn what_is_quoted_is_read_back(value in "[^\n\r\0]{0,40}") {
            let line = format!("NAME={}", quote(&value).unwrap());
            prop_assert_eq!(values(&line), [("NAME".to_owned(), value)]);
        }

        #[test]
        fn earlier_keys_are_put_in(value in "[ -~]{0,20}", before in "[a-z ]{0,5}") {
            let text = format!("ONE={}\nTWO=\"{before}${{ONE}}\"", quote(&value).unwrap());
            prop_assert_eq!(&values(&text)[1].1, &format!("{before}{value}"));
        }

        #[test]
        fn no_bytes_break_the_reader(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            crate::project::fuzzing::arg_file(&text);
            crate::project::fuzzing::user_data_file(&text);
        }
    }
}
