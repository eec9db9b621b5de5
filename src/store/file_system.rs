//! Where a folder lies: on a disk of this machine, on somebody else's, or nobody can tell.
//!
//! SQLite's write-ahead log is shared memory, which two machines do not share: on a network file system
//! the journal would be damaged, so such a folder is refused by the name of its file system. Everything
//! here but [`locality_of`] is pure.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Whose disk it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Locality {
    Local,
    /// Another machine's, or one that several machines share; its name.
    Network(String),
    /// It may be either: a lock there excludes processes of this machine, and proves nothing of others.
    Unknown(String),
}

/// Network file systems by the magic number of statfs(2), as in `linux/magic.h` and the sources of those
/// that are not in the kernel.
const NETWORK: [(u32, &str); 17] = [
    (0x0000_6969, "NFS"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB"),
    (0x0000_517b, "SMB"),
    (0x00c3_6400, "Ceph"),
    (0x5346_414f, "AFS"),
    (0x6b41_4653, "AFS"),
    (0x7375_7245, "Coda"),
    (0x0000_564c, "NCP"),
    (0x0bd0_0bd0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x1983_0326, "BeeGFS"),
    (0xaad7_aaea, "PanFS"),
    (0x0116_1970, "GFS2"),
    (0x7461_636f, "OCFS2"),
    (0x786f_4256, "a VirtualBox shared folder"),
    (0xbacb_acbc, "a VMware shared folder"),
];

/// A file system that a program serves: which one says only the table of mounts.
const FUSE: u32 = 0x6573_5546;
/// What virtual machines and sandboxes share folders over.
const PLAN_9: u32 = 0x0102_1997;

/// What FUSE serves from a disk of this machine.
const LOCAL_FUSE: [&str; 9] = [
    "fuseblk",
    "fuse.ntfs-3g",
    "fuse.gocryptfs",
    "fuse.encfs",
    "fuse.cryfs",
    "fuse.bindfs",
    "fuse.mergerfs",
    "fuse.fuse-overlayfs",
    "fuse.zfs-fuse",
];

/// What FUSE brings from elsewhere.
const NETWORK_FUSE: [&str; 16] = [
    "fuse.sshfs",
    "fuse.blobfuse",
    "fuse.blobfuse2",
    "fuse.s3fs",
    "fuse.mount-s3",
    "fuse.goofys",
    "fuse.gcsfuse",
    "fuse.rclone",
    "fuse.glusterfs",
    "fuse.ceph-fuse",
    "fuse.cephfs",
    "fuse.davfs",
    "fuse.curlftpfs",
    "fuse.juicefs",
    "fuse.seaweedfs",
    "fuse.moosefs",
];

/// Asks the system where `folder`, which exists, lies.
///
/// # Errors
/// What the system said.
pub(super) fn locality_of(folder: &Path) -> io::Result<Locality> {
    let found = rustix::fs::statfs(folder)?;
    // The sign of the field differs from machine to machine; the numbers have 32 bits.
    let magic = (found.f_type as u64 & u64::from(u32::MAX)) as u32;
    let device = std::fs::metadata(folder)?.dev();
    let kind = || {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        mounted_as(&mounts, rustix::fs::major(device), rustix::fs::minor(device))
    };
    Ok(locality(magic, kind))
}

/// What a magic number says; where it does not say enough, what the mount is called.
fn locality(magic: u32, kind: impl FnOnce() -> Option<String>) -> Locality {
    if let Some((_, name)) = NETWORK.iter().find(|(number, _)| *number == magic) {
        return Locality::Network((*name).to_owned());
    }
    match magic {
        FUSE => {
            let kind = kind().unwrap_or_else(|| "fuse".to_owned());
            if LOCAL_FUSE.contains(&kind.as_str()) {
                Locality::Local
            } else if NETWORK_FUSE.contains(&kind.as_str()) {
                Locality::Network(kind)
            } else {
                Locality::Unknown(kind)
            }
        }
        PLAN_9 => Locality::Unknown("9p".to_owned()),
        _ => Locality::Local,
    }
}

/// The type of the file system with this device number in a table of mounts (proc_pid_mountinfo(5)).
fn mounted_as(mounts: &str, major: u32, minor: u32) -> Option<String> {
    let device = format!("{major}:{minor}");
    mounts.lines().find_map(|line| {
        let (mount, system) = line.split_once(" - ")?;
        (mount.split(' ').nth(2)? == device).then(|| system.split(' ').next().map(str::to_owned))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
40 22 0:37 / /mnt/team rw,nosuid shared:20 - fuse.sshfs ops@host:/srv rw
41 22 0:38 / /mnt/vault rw,nosuid - fuse.gocryptfs /home/me/cipher rw
42 22 0:39 / /mnt/shared rw - virtiofs share rw
";

    #[test]
    fn network_file_systems_are_known_by_name() {
        for (magic, name) in
            [(0x6969, "NFS"), (0xff53_4d42, "CIFS"), (0xfe53_4d42, "SMB"), (0x00c3_6400, "Ceph")]
        {
            assert_eq!(locality(magic, || None), Locality::Network(name.to_owned()));
        }
        // ext4, XFS, Btrfs, tmpfs, overlay, ZFS.
        for magic in [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994, 0x794c_7630, 0x2fc1_2fc1] {
            assert_eq!(locality(magic, || None), Locality::Local, "{magic:x}");
        }
        assert_eq!(locality(PLAN_9, || None), Locality::Unknown("9p".to_owned()));
    }

    #[test]
    fn what_a_program_serves_is_known_by_its_mount() {
        let on = |minor| locality(FUSE, || mounted_as(MOUNTS, 0, minor));
        assert_eq!(on(37), Locality::Network("fuse.sshfs".to_owned()));
        assert_eq!(on(38), Locality::Local);
        assert_eq!(on(39), Locality::Unknown("virtiofs".to_owned()));
        assert_eq!(on(40), Locality::Unknown("fuse".to_owned()));
        assert_eq!(mounted_as(MOUNTS, 254, 0).as_deref(), Some("ext4"));
    }

    #[test]
    fn a_folder_of_this_machine_can_be_asked_about() {
        let folder = super::super::fixture::folder();
        assert!(!matches!(locality_of(folder.path()).unwrap(), Locality::Network(_)));
        assert!(locality_of(&folder.path().join("missing")).is_err());
    }
}
