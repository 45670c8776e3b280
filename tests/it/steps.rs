//! The steps of CanvOS's targets against the same work done by a shell on a disk.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;

use bootwright::editor::Editor;
use bootwright::image::{FileTree, Kind, Silent, Timestamp, collect};
use bootwright::oci::{Limits, Options, Reference, Rootfs, Stack};
use bootwright::recipe::steps::{
    StepError, base_image, bootargs, installer_image, kairos_release, layers, provider_image,
};

use crate::dockerfile::fixture::chain;
use crate::tools::{require, run, tool};

fn load(folder: &Path) -> Rootfs {
    let options = Options {
        architecture: "amd64".to_owned(),
        limits: Limits::default(),
        jobs: NonZeroUsize::MIN,
    };
    let mut stack = Stack::new(options, &Silent);
    stack.add_image(&Reference::Directory(folder.to_owned())).unwrap();
    stack.finish().unwrap()
}

/// Mode, kind and content by path. Owners are those of whoever runs the test.
fn facts(rootfs: &Rootfs) -> BTreeMap<String, String> {
    let tree = &rootfs.tree;
    let fact = |id| {
        let inode = tree.inode(id);
        let mode = inode.metadata.mode;
        match inode.kind() {
            Kind::Symlink(target) => format!("-> {}", String::from_utf8_lossy(target)),
            Kind::Directory(_) => format!("{mode:04o} /"),
            _ => {
                let content = collect(tree, &rootfs.streams, &[id], 1 << 20, &Silent).unwrap();
                format!("{mode:04o} {:?}", String::from_utf8_lossy(&content[0]))
            }
        }
    };
    tree.walk().map(|w| (String::from_utf8_lossy(&w.path).into_owned(), fact(w.id))).collect()
}

/// Does `script` with a shell in a folder that `setup` made, and `step` on its tree.
fn compare(setup: &str, script: &str, step: impl FnOnce(&mut Editor<'_>) -> Result<(), StepError>) {
    require!("sh");
    let folder = tempfile::tempdir().unwrap();
    let shell = |name: &str, text: &str| {
        let at = folder.path().join(name);
        std::fs::create_dir_all(&at).unwrap();
        let text = format!("set -e; umask 022; {text}");
        run(tool("sh").arg("-c").arg(text).current_dir(&at).env("LC_ALL", "C"));
        at
    };
    let mut ours = load(&shell("ours", setup));
    let theirs = load(&shell("theirs", &format!("{setup}\n{script}")));
    let mut editor = Editor {
        tree: &mut ours.tree,
        streams: &ours.streams,
        time: Timestamp(7),
        observer: &Silent,
    };
    step(&mut editor).map_err(|error| chain(&error)).unwrap();
    assert_eq!(facts(&ours), facts(&theirs));
}

#[test]
fn boot_arguments() {
    let append = |text: &str| {
        format!(r#"sed -i 's|\(set baseCmd="[^"]*\)"|\1 {text}"|' etc/cos/bootargs.cfg"#)
    };
    let cgroup = append("systemd.unified_cgroup_hierarchy=1");
    let nouveau =
        append("rd.driver.blacklist=nouveau modprobe.blacklist=nouveau nouveau.modeset=0");
    let selinux =
        "sed -i -e 's/security=selinux //g' -e 's/selinux=1/selinux=0/g' etc/cos/bootargs.cfg";
    let sample = "function set_mode {\n  set baseCmd=\"root=LABEL=$l selinux=1 security=selinux x\"\n\
        set baseCmd=\"security=selinux selinux=1\"\nset other=\"a\"\n}";
    let quiet = "set baseCmd=\"systemd.unified_cgroup_hierarchy=1 rd.driver.blacklist=nouveau\"\n";
    for (text, disable, script) in [
        (sample, true, format!("{selinux}; {cgroup}; {nouveau}")),
        (sample, false, format!("{cgroup}; {nouveau}")),
        (quiet, true, "true".to_owned()),
        ("nothing", true, format!("{cgroup}; {nouveau}")),
    ] {
        let setup = format!(
            "mkdir -p etc/cos; cat > etc/cos/bootargs.cfg <<'END'\n{text}\nEND\nchmod 0600 etc/cos/bootargs.cfg"
        );
        compare(&setup, &script, |editor| bootargs::edit(editor, disable));
    }
    let error = bootargs::edit(
        &mut Editor {
            tree: &mut FileTree::new(Default::default()),
            streams: &(),
            time: Timestamp(0),
            observer: &Silent,
        },
        true,
    );
    assert_eq!(
        error.unwrap_err().to_string(),
        "/etc/cos/bootargs.cfg is missing: the boot menu takes the kernel's arguments from it"
    );
}

#[test]
fn kairos_release() {
    let script = r#"f=etc/kairos-release
        if [ -f $f ]; then sed -i -e 's/^KAIROS_NAME=.*/KAIROS_NAME="n"/' -e '/^KAIROS_IMAGE_LABEL=/d' $f
        else echo 'KAIROS_NAME="n"' > $f; fi
        sed -i -e '$a\' $f; echo 'KAIROS_IMAGE_LABEL="l"' >> $f"#;
    for text in [
        "KAIROS_NAME=old\nKAIROS_IMAGE_LABEL=a\nX=1\nKAIROS_IMAGE_LABEL=b\n",
        "X=1\nKAIROS_NAME=\"old\"",
        "X_KAIROS_NAME=1\n",
        "",
    ] {
        let setup = format!("mkdir etc; printf '{text}' > etc/kairos-release");
        compare(&setup, script, |editor| kairos_release::edit(editor, "n", "l"));
    }
    compare("mkdir etc", script, |editor| kairos_release::edit(editor, "n", "l"));
}

#[test]
fn base_image_steps() {
    compare(
        "mkdir -p boot lib/modules/6.1 lib/modules/6.8 sbin usr/bin etc\n\
         touch boot/vmlinuz-6.1 boot/vmlinuz-6.8 boot/initrd-6.8; ln -s vmlinuz-6.1 boot/vmlinuz",
        r#"k=$(ls boot/vmlinuz-* | tail -n1); ln -sf "${k#boot/}" boot/vmlinuz
           k=$(ls lib/modules | tail -n1); ln -sf "initrd-$k" boot/initrd
           [ -f usr/bin/grub2-editenv ] || ln -s /usr/sbin/grub-editenv usr/bin/grub2-editenv
           mkdir -p etc/dracut.conf.d
           printf '%s\n' 'hostonly="no"' 'add_drivers+=" xhci_pci_renesas "' \
             'force_drivers+=" xhci_pci_renesas "' > etc/dracut.conf.d/99-usb-media.conf
           mkdir -p system/oem; echo x > system/oem/80_stylus_maas.yaml"#,
        |editor| {
            base_image::link_kernel(editor)?;
            base_image::link_tools(editor, false)?;
            base_image::load_usb_drivers(editor)?;
            base_image::place(editor, "/system/oem/80_stylus_maas.yaml", "x\n".into(), 0o644)
        },
    );
    compare(
        "mkdir -p sbin usr/bin; echo p > sbin/apparmor_parser; chmod 755 sbin/apparmor_parser",
        "cp sbin/apparmor_parser usr/bin/apparmor_parser",
        |editor| base_image::link_tools(editor, true),
    );
    compare(
        "mkdir -p var/cache/cracklib var/cache/apt/x var/log/journal/1 var/lib/dbus etc tmp/d\n\
         touch var/cache/cracklib/words var/cache/apt/x/y var/log/journal/1/j tmp/a tmp/.hidden tmp/d/e\n\
         echo id > etc/machine-id; ln -s /etc/machine-id var/lib/dbus/machine-id; chmod 1777 tmp",
        "find var/cache -mindepth 1 -maxdepth 1 ! -name cracklib -exec rm -rf {} +\n\
         rm -rf var/log/journal etc/machine-id var/lib/dbus/machine-id; touch etc/machine-id\n\
         chmod 444 etc/machine-id; rm /tmp/none tmp/* -rf",
        base_image::clean_up,
    );
}

#[test]
fn installer_image_steps() {
    compare(
        "mkdir -p opt/spectrocloud/bin/sub usr/bin etc/ssh etc/logrotate.d; cd opt/spectrocloud/bin\n\
         touch agent-provider-stylus other sub/agent-provider-stylus sub/x; ln -s other link; cd ../../..\n\
         touch usr/bin/luet usr/bin/keep etc/ssh/ssh_host_rsa_key etc/ssh/ssh_host_rsa_key.pub\n\
         touch etc/ssh/moduli etc/ssh/sshd_config; echo 1 > etc/machine-id\n\
         touch etc/logrotate.d/stylus.conf; chmod 0666 etc/logrotate.d/stylus.conf",
        "find opt/spectrocloud/bin/. ! -name agent-provider-stylus -type f -exec rm -f {} +\n\
         rm -f usr/bin/luet etc/ssh/ssh_host_* etc/ssh/moduli etc/machine-id\n\
         touch etc/machine-id; chmod 444 etc/machine-id; chmod 644 etc/logrotate.d/stylus.conf",
        |editor| {
            installer_image::trim_for_uki(editor);
            layers::fix_logrotate(editor);
            installer_image::forget_host(editor)
        },
    );
}

/// A tree that a shell made, and the folder that its contents lie in.
struct Made {
    tree: FileTree,
    _folder: tempfile::TempDir,
}

fn made(setup: &str) -> Made {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("set -e; umask 022; {setup}");
    run(tool("sh").arg("-c").arg(text).current_dir(folder.path()));
    Made { tree: load(folder.path()).tree, _folder: folder }
}

#[test]
fn provider_image_steps() {
    require!("sh");
    let provider = "mkdir -p usr/local/system/providers system/x; touch system/x/y\n\
        touch usr/local/system/providers/agent-provider-k3s usr/local/system/providers/README\n\
        chmod 755 usr/local/system/providers/agent-provider-k3s";
    let agent = "mkdir -p etc/kairos/branding oem etc/elemental; touch etc/kairos/branding/a\n\
        touch oem/stylus_config.yaml etc/elemental/config.yaml etc/unrelated";
    let (provider_tree, agent_tree) = (made(provider), made(agent));
    compare(
        "mkdir -p etc system/providers oem",
        &format!(
            "{provider}\n mv usr/local/system/providers/agent-provider-* system/providers/\n\
             rm -rf usr/local/system/providers; mkdir -p etc/spectro-sysext\n\
             touch etc/spectro-sysext/k8s-and-agent-provider-bundled\n\
             {agent}\n cp oem/stylus_config.yaml etc/kairos/branding/; rm oem/stylus_config.yaml\n\
             rm etc/unrelated; : > oem/.edge_custom_config.yaml"
        ),
        |editor| {
            provider_image::add_provider(editor, &provider_tree.tree)?;
            let edge_config = Some(b""[..].into());
            let config = provider_image::AgentConfig { agent: Some(&agent_tree.tree), edge_config };
            provider_image::configure_agent(editor, &config)
        },
    );
}

#[test]
fn kubernetes_becomes_links_on_trusted_boot() {
    require!("sh", "find");
    let k8s = "mkdir -p usr/bin opt/cni/empty etc/k; touch usr/bin/kubelet etc/k/conf\n\
        ln -s kubelet usr/bin/link; chmod 750 etc/k";
    let k8s_tree = made(k8s);
    let tree = &k8s_tree.tree;
    compare(
        "mkdir -p usr/bin usr/local/bin",
        &format!(
            "mkdir k8s; (cd k8s; {k8s})\n\
             (cd k8s; find . -mindepth 1 ! -type d) | while read f; do f=\"${{f#./}}\"\n\
               d=$(dirname \"$f\"); [ -d \"$d\" ] || {{ mkdir -p \"$d\"; chmod --reference=\"k8s/$d\" \"$d\"; }}\n\
               ln -s \"/opt/k8s/$f\" \"$f\"; done; rm -rf k8s\n\
             ln -sf /opt/spectrocloud/bin/agent-provider-stylus usr/local/bin/agent-provider-stylus"
        ),
        |editor| provider_image::link_kubernetes(editor, tree),
    );
    let mut image = made("mkdir -p usr/bin; touch usr/bin/kubelet");
    let error = provider_image::link_kubernetes(
        &mut Editor { tree: &mut image.tree, streams: &(), time: Timestamp(0), observer: &Silent },
        tree,
    );
    assert_eq!(
        error.unwrap_err().to_string(),
        "/usr/bin/kubelet exists already and cannot become a link into /opt/k8s"
    );
}

#[test]
fn overlays_keep_the_systems_folders() {
    require!("sh");
    let overlay = made("mkdir -p etc/ssh; touch etc/ssh/new; chmod 777 etc etc/ssh");
    compare(
        "mkdir -p etc; chmod 755 etc",
        "mkdir etc/ssh; touch etc/ssh/new; chmod 777 etc/ssh",
        |editor| layers::overlay(editor, &overlay.tree, "/"),
    );
    let etc = made("mkdir ssh; touch ssh/new");
    compare("true", "mkdir -p etc/ssh; touch etc/ssh/new", |editor| {
        layers::overlay(editor, &etc.tree, "/etc")
    });
}
