//! Whole projects: walk-throughs, plans, and what mistakes look like.

use std::fs;
use std::path::Path;

use super::plan::plan;
use super::*;

mod effects;

fn project(files: &[(&str, &str)], words: &[&str]) -> (tempfile::TempDir, Project) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let project = load(folder.path(), words);
    (folder, project)
}

fn load(folder: &Path, words: &[&str]) -> Project {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let given = Given { command_line: &words, build_args: None, environment: &|_| None };
    Project::load(folder, &given).unwrap()
}

const BASIC: &str = "CUSTOM_TAG=palette-learn\nIMAGE_REGISTRY=spectrocloud\nOS_DISTRIBUTION=ubuntu\n\
    IMAGE_REPO=ubuntu\nOS_VERSION=22.04\nK8S_DISTRIBUTION=k3s\nK8s_VERSION=1.27.2\n\
    ISO_NAME=palette-edge-installer\nARCH=amd64\nHTTPS_PROXY=\nHTTP_PROXY=\nPROXY_CERT_PATH=\nUPDATE_KERNEL=false\n";
const ADVANCED: &str = "IMAGE_REGISTRY=spectrocloud\nOS_DISTRIBUTION=opensuse-leap\nIMAGE_REPO=opensuse-leap\n\
    CUSTOM_TAG=palette-learn\nK8S_DISTRIBUTION=k3s\nK8S_VERSION=1.27.2\n\
    ISO_NAME=palette-edge-installer\nARCH=amd64\nHTTPS_PROXY=\nHTTP_PROXY=\nPROXY_CERT_PATH=\nUPDATE_KERNEL=false\n";
const CHECKOUT: [(&str, &str); 2] =
    [(".git/HEAD", "0a0a\n"), (".git/packed-refs", "0b0b refs/tags/v4.4.12\n^0a0a\n")];
const VERSIONS: (&str, &str) =
    ("k8s_version.json", r#"{"k3s": ["1.26.4", "1.27.2", "1.27.2"], "rke2": []}"#);

#[test]
fn the_profile_of_the_advanced_walk_through_is_the_documented_one() {
    let (_folder, project) = project(&[(".arg", ADVANCED), CHECKOUT[0], CHECKOUT[1]], &[]);
    assert!(!project.problems.has_errors(), "{}", project.problems);
    insta::assert_snapshot!("profile_advanced", profile(&project.arguments));
}

#[test]
fn the_profile_of_the_basic_walk_through_is_the_documented_one() {
    let (_folder, project) = project(&[(".arg", BASIC), CHECKOUT[0], CHECKOUT[1]], &[]);
    assert!(!project.problems.has_errors(), "{}", project.problems);
    let warnings: Vec<String> = project.problems.warnings().map(ToString::to_string).collect();
    assert!(warnings[0].ends_with("did you mean K8S_VERSION?"), "{warnings:?}");
    insta::assert_snapshot!("profile_basic", profile(&project.arguments));
}

/// The documents show the basic one with its long line folded, as their formatter leaves it.
#[test]
fn folded_or_not_the_profile_says_the_same() {
    let (_folder, project) = project(&[(".arg", BASIC), CHECKOUT[0], CHECKOUT[1]], &[]);
    let ours = yaml::read(&profile(&project.arguments)).unwrap().unwrap();
    let folded = "a:\n  \"{{ .spectro.pack.edge-native-byoi.options.system.registry }}/{{\n  \
        .spectro.pack.edge-native-byoi.options.system.repo }}:{{\n  \
        .spectro.pack.edge-native-byoi.options.system.k8sDistribution }}-{{ .spectro.system.kubernetes.version }}-{{\n  \
        .spectro.pack.edge-native-byoi.options.system.peVersion }}-{{\n  \
        .spectro.pack.edge-native-byoi.options.system.customTag }}\"\n";
    let folded = yaml::read(folded).unwrap().unwrap();
    let uri = ours.get("options").unwrap().value.get("system.uri").unwrap().value.text();
    assert_eq!(uri, folded.get("a").unwrap().value.text());
}

#[test]
fn without_a_tag_the_address_has_no_loose_end() {
    let (_folder, project) = project(&[(".arg", BASIC)], &["CUSTOM_TAG="]);
    let text = profile(&project.arguments);
    assert!(
        text.contains("options.system.peVersion }}\"\n") && !text.contains("customTag"),
        "{text}"
    );
    assert_eq!(
        project.arguments.image_path("1.27.2"),
        "spectrocloud/ubuntu:k3s-1.27.2-v4.10.0-rc.2"
    );
}

#[test]
fn a_plan_names_inputs_steps_and_outputs() {
    let files = [
        (".arg", ADVANCED),
        CHECKOUT[0],
        CHECKOUT[1],
        ("user-data", "#cloud-config\nssh_authorized_keys: [x]\n"),
        ("overlay/files/etc/motd", "hello\n"),
        ("overlay/files-iso/boot/grub2/grub.cfg", "set default={{DEFAULT_ENTRY}}\n"),
        ("content-a/one.zst", "1"),
        ("content-a/notes.txt", "1"),
        ("spc.tgz", "1"),
        ("local-ui.tar", "1"),
        ("certs/ca.crt", "1"),
        (".edge-custom-config.yaml", "signing:\n  publicKey: x\n"),
        ("cloud-images/workaround/grubmenu.cfg", "1"),
        ("cloud-images/workaround/custom-post-reset.yaml", "1"),
        ("cloudconfigs/cloud-content.sh", "1"),
        VERSIONS,
    ];
    let (folder, project) =
        project(&files, &["CLUSTERCONFIG=spc.tgz", "K8S_VERSION=", "BASE_IMAGE=oci:base"]);
    for (name, target) in [("plan_all", Target::BuildAllImages), ("plan_maas", Target::CloudImage)]
    {
        let mut plan = plan(&project, target);
        assert!(!plan.problems.has_errors(), "{}", plan.problems);
        plan.measure(folder.path(), &bootwright_image::Silent).unwrap();
        insta::assert_snapshot!(name, plan.tree());
    }
    let json = plan(&project, Target::Iso).json();
    assert_eq!(json["steps"][0]["outputs"][0], "build/palette-edge-installer.iso");
}

#[test]
fn all_targets_have_names_that_are_read_back() {
    for (target, name, _) in Target::ALL {
        assert_eq!(Target::parse(&format!("+{name}")), Ok(target));
        assert_eq!(target.to_string(), format!("+{name}"));
    }
}

#[test]
fn keys_are_needed_for_trusted_boot_and_folders_made_for_them() {
    let (_folder, project) = project(&[(".arg", BASIC)], &["IS_UKI=true"]);
    let refused = plan(&project, Target::Iso).problems.to_string();
    assert!(refused.contains("+uki-genkey"), "{refused}");
    let genkey = plan(&project, Target::UkiGenkey);
    assert!(
        matches!(&genkey.steps[0].step, plan::Step::Genkey(step) if step.days == 5475 && !step.present)
    );
}

/// What a user sees for a project with mistakes.
fn seen(files: &[(&str, &str)], words: &[&str], target: Target) -> String {
    let (folder, project) = project(files, words);
    let plan = plan(&project, target);
    let mut problems = project.problems.clone();
    problems.extend(plan.problems.clone());
    let more = plan.check_files(folder.path()).unwrap();
    problems.extend(more);
    let mut text = String::new();
    for problem in problems.iter() {
        let kind = if problem.severity == Severity::Error { "error" } else { "warning" };
        text.push_str(&format!("{kind}: {problem}\n"));
    }
    text
}

#[test]
fn planted_mistakes_read_well() {
    const SOUND: &str = "OS_DISTRIBUTION=ubuntu\nOS_VERSION=22.04\nK8S_DISTRIBUTION=k3s\nK8S_VERSION=1.27.2\nIMAGE_REGISTRY=ttl.sh\nCUSTOM_TAG=demo\n";
    let arg = |lines: &str| format!("{SOUND}{lines}\n");
    let in_arg = |lines: &str| seen(&[(".arg", &arg(lines))], &[], Target::BuildAllImages);
    let words = |words: &[&str], target| seen(&[(".arg", SOUND)], words, target);
    let user_data =
        |text: &str| seen(&[(".arg", SOUND), ("user-data", text)], &[], Target::ValidateUserData);
    let beside = |name: &str, text: &str, words: &[&str]| {
        seen(&[(".arg", SOUND), (name, text)], words, Target::BuildAllImages)
    };
    let cases = [
        ("spaces around =", in_arg("ISO_NAME = installer")),
        ("an unquoted space", in_arg("MY_ORG=ACME Corp")),
        ("an open quote", in_arg("MY_ORG=\"ACME Corp")),
        ("a command", in_arg("PE_VERSION=$(git describe)")),
        ("an undefined variable", in_arg("IMAGE_REPO=$OS_DISTRO")),
        ("no assignment", in_arg("my-secret-token")),
        ("an unknown key", in_arg("K8s_VERSION=1.27.2")),
        ("a key twice", in_arg("CUSTOM_TAG=other")),
        ("a flag with yes", in_arg("UPDATE_KERNEL=yes")),
        ("a registry with scheme", in_arg("IMAGE_REGISTRY=https://ttl.sh")),
        ("a tag with capitals", in_arg("CUSTOM_TAG=Demo")),
        ("a proxy with password and without scheme", in_arg("HTTP_PROXY=me:secret@proxy:3128")),
        ("a secret in the file", in_arg("UBUNTU_PRO_KEY=C1secret")),
        (
            "both GPU vendors",
            in_arg("INSTALL_AMD_GPU_DRIVERS=true\nINSTALL_NVIDIA_GPU_DRIVERS=true"),
        ),
        ("kernel update with FIPS", in_arg("UPDATE_KERNEL=true\nFIPS_ENABLED=true")),
        ("a version with v", in_arg("K8S_VERSION=v1.30.4+k3s1")),
        ("trusted boot for arm64", words(&["IS_UKI=true", "ARCH=arm64"], Target::SecureBootDirs)),
        ("a distribution without image", words(&["OS_DISTRIBUTION=rhel"], Target::Iso)),
        ("a release that does not exist", words(&["OS_VERSION=22.4"], Target::Iso)),
        (
            "an unknown distribution of Kubernetes",
            words(&["K8S_DISTRIBUTION=k3"], Target::ProviderImage),
        ),
        (
            "no distribution of Kubernetes",
            words(&["K8S_DISTRIBUTION="], Target::BuildProviderImages),
        ),
        ("no versions", beside(VERSIONS.0, VERSIONS.1, &["K8S_VERSION=", "K8S_DISTRIBUTION=rke2"])),
        ("versions that are no JSON", beside(VERSIONS.0, "{\"k3s\": [1.27,]}", &["K8S_VERSION="])),
        (
            "MAAS without ubuntu",
            words(&["OS_DISTRIBUTION=opensuse-leap", "OS_VERSION=15.6"], Target::MaasImage),
        ),
        ("own keys that are missing", words(&["UKI_BRING_YOUR_OWN_KEYS=true"], Target::UkiGenkey)),
        (
            "a cluster configuration that is missing",
            words(&["CLUSTERCONFIG=spc/spc.tgz"], Target::Iso),
        ),
        ("a bundle that is none", beside("content-1/a.zst", "PK..", &[])),
        (
            "a cluster configuration that is none",
            beside("spc.tgz", "PK..", &["CLUSTERCONFIG=spc.tgz"]),
        ),
        (
            "an edge configuration without key",
            beside(".edge-custom-config.yaml", "signing:\n  publicKey:\n", &[]),
        ),
        ("user-data without header", user_data("stylus:\n  site: {}\nssh_authorized_keys: [x]\n")),
        ("user-data with a tab", user_data("#cloud-config\nstylus:\n\tsite: x\n")),
        (
            "user-data with wrong types and names",
            user_data(
                "#cloud-config\nstylus:\n  site:\n    paletteEndpoint: https://api.spectrocloud.com\n    edgehosttoken: SECRET\n    network:\n      interfaces:\n        enp0s3:\n          type: statik\n          ipAddress: 10.0.10.25\ninstall:\n  poweroff: yes\nstages:\n  initramf:\n    - name: x\n      users:\n        kairos:\n          passwd: kairos\n",
            ),
        ),
        (
            "user-data with a stage that is no list",
            user_data("#cloud-config\nstages:\n  boot:\n    name: x\n"),
        ),
    ];
    let text: String = cases.iter().map(|(what, seen)| format!("# {what}\n{seen}\n")).collect();
    assert!(!text.contains("secret@") && !text.contains("C1secret") && !text.contains("SECRET"));
    assert!(!text.contains("my-secret-token"));
    assert!(cases.len() >= 30 && cases.iter().all(|(_, seen)| !seen.is_empty()));
    insta::assert_snapshot!("mistakes", text);
}

#[test]
fn the_documented_user_data_passes() {
    let basic = "#cloud-config\n\nstylus:\n   site:\n     edgeHostToken: abcdef\n\ninstall:\n  poweroff: true\n\nstages:\n   initramfs:\n   - name: \"Core system setup\"\n     users:\n       kairos:\n         groups:\n           - admin\n         passwd: kairos\n";
    let problems = user_data::check("user-data", basic.as_bytes());
    assert_eq!(problems.errors().count(), 0, "{problems}");
    // The password that everybody knows.
    assert_eq!(problems.warnings().count(), 1, "{problems:?}");
    let advanced = "#cloud-config\nstylus:\n  site:\n    paletteEndpoint: api.spectrocloud.com\n    edgeHostToken: abc\n    tags:\n      key1: value1\n    name: edge-randomid\n    registrationURL: https://edge-registration-app.vercel.app/\n\n    network:\n      httpProxy: http://proxy.example.com\n      httpsProxy: https://proxy.example.com\n      noProxy: 10.10.128.10,10.0.0.0/8\n\n      nameserver: 1.1.1.1\n      interfaces:\n          enp0s3:\n              type: static\n              ipAddress: 10.0.10.25/24\n              gateway: 10.0.10.1\n              nameserver: 10.10.128.8\n          enp0s4:\n              type: dhcp\n    caCerts:\n      - |\n        ------BEGIN CERTIFICATE------\n        ****\n        ------END CERTIFICATE------\n  registryCredentials:\n    domain: registry.example.com\n    username: bob\n    password: ####\n    insecure: false\ninstall:\n  poweroff: true\nusers:\n  - name: kairos\n    passwd: kairos\n";
    let problems = user_data::check("user-data", advanced.as_bytes());
    assert_eq!(problems.errors().count(), 0, "{problems}");
    assert_eq!(problems.warnings().count(), 1, "{problems:?}");
}
