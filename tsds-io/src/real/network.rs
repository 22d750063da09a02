//! Which file systems lie on other machines. Linux says so by a number, and where that is not enough by its list of mounts.
#![allow(clippy::disallowed_methods, reason = "implements what the rest of TSDS must use instead")]

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{major, minor, stat, statfs};

/// By the numbers of `linux/magic.h`, and those of Lustre, GPFS, and BeeGFS.
const BY_NUMBER: [(u32, &str); 13] = [
    (0x0000_6969, "nfs"),
    (0x0000_517b, "smb"),
    (0xff53_4d42, "cifs"),
    (0xfe53_4d42, "smb2"),
    (0x0000_564c, "ncpfs"),
    (0x5346_414f, "afs"),
    (0x6b41_4653, "afs"),
    (0x7375_7245, "coda"),
    (0x00c3_6400, "ceph"),
    (0x0bd0_0bd0, "lustre"),
    (0x4750_4653, "gpfs"),
    (0x2003_0528, "orangefs"),
    (0x1983_0326, "beegfs"),
];
/// What programs provide: local disks, and all the world.
const FUSE: u32 = 0x6573_5546;
/// What virtual machines and sandboxes see of their host, and sometimes of a server.
const PLAN_9: u32 = 0x0102_1997;

/// Programs that are known to keep files elsewhere, by the beginning of the type they mount.
const REMOTE_PROGRAMS: [&str; 20] = [
    "fuse.sshfs",
    "fuse.s3",
    "fuse.goofys",
    "fuse.gcsfuse",
    "fuse.blobfuse",
    "fuse.rclone",
    "fuse.glusterfs",
    "fuse.ceph",
    "fuse.juicefs",
    "fuse.JuiceFS",
    "fuse.davfs",
    "fuse.curlftpfs",
    "fuse.moosefs",
    "fuse.mfs",
    "fuse.lizardfs",
    "fuse.seaweedfs",
    "fuse.beegfs",
    "fuse.hdfs",
    "fuse.mount-s3",
    "fuse.mountpoint-s3",
];

/// The network file system that holds `path`, or the nearest directory above it that exists.
pub(super) fn network_file_system(path: &Path) -> io::Result<Option<String>> {
    let mut place = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let number = loop {
        match statfs(place) {
            // The kernel's type of the field differs between machines; the number has 32 bits.
            Ok(status) => break status.f_type as u32,
            Err(error) if error == rustix::io::Errno::NOENT => match place.parent() {
                Some(parent) if parent.as_os_str().is_empty() => place = Path::new("."),
                Some(parent) => place = parent,
                None => return Err(error.into()),
            },
            Err(error) => return Err(error.into()),
        }
    };
    if number != FUSE && number != PLAN_9 {
        return Ok(by_number(number).map(str::to_owned));
    }
    let device = stat(place)?.st_dev;
    // Without the list nothing more is known, as in a sandbox that hides it.
    let Ok(mounts) = std::fs::read("/proc/self/mountinfo") else { return Ok(None) };
    Ok(by_mount(&mounts, major(device), minor(device)))
}

fn by_number(number: u32) -> Option<&'static str> {
    BY_NUMBER.iter().find(|(known, _)| *known == number).map(|(_, name)| *name)
}

/// What the list of mounts says of a device, if that is on the network.
fn by_mount(mounts: &[u8], major: u32, minor: u32) -> Option<String> {
    let device = format!("{major}:{minor}");
    let of_device = |line: &&[u8]| line.split(|byte| *byte == b' ').nth(2) == Some(device.as_bytes());
    let line = mounts.split(|byte| *byte == b'\n').find(of_device)?;
    // Any number of optional fields ends with a dash; then come type, source, and options.
    let mut fields = line.split(|byte| *byte == b' ').skip_while(|field| *field != b"-").skip(1);
    let kind = OsStr::from_bytes(fields.next()?).to_str()?;
    let options = fields.nth(1).unwrap_or_default();
    let by_wire = || {
        let mut options = options.split(|byte| *byte == b',');
        options.any(|option| option == b"trans=tcp" || option == b"trans=rdma")
    };
    let is_remote = match kind {
        "9p" => by_wire(),
        _ => REMOTE_PROGRAMS.iter().any(|program| kind.starts_with(program)),
    };
    is_remote.then(|| kind.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &[u8] = b"\
24 29 0:22 / /proc rw,nosuid - proc proc rw
36 35 0:40 / /srv/far rw,relatime shared:1 master:2 - fuse.sshfs user@far:/srv rw,user_id=0
37 35 0:41 / /srv/ntfs rw - fuseblk /dev/sdb1 rw
38 35 0:42 / / rw - 9p root rw,trans=fd,rfdno=4
39 35 0:43 / /far rw - 9p server rw,access=user,trans=tcp,port=564
40 35 0:44 / /shared rw - virtiofs host rw
41 35 0:45 / /layers rw - fuse.fuse-overlayfs fuse-overlayfs rw
42 35 0:4";

    #[test]
    fn what_is_mounted_from_elsewhere_is_found_by_its_type_or_transport() {
        let of = |minor| by_mount(MOUNTS, 0, minor);
        assert_eq!((of(40).as_deref(), of(43).as_deref()), (Some("fuse.sshfs"), Some("9p")));
        // Disks of this machine, what a sandbox or a virtual machine sees of its host, and what is not in the list.
        assert_eq!([of(41), of(42), of(44), of(45), of(22), of(99), of(4)], [const { None }; 7]);
    }

    #[test]
    fn numbers_of_local_file_systems_are_not_refused() {
        // ext, XFS, Btrfs, tmpfs, overlay, ZFS, F2FS, and ramfs.
        for local in [
            0xef53,
            0x5846_5342,
            0x9123_683e,
            0x0102_1994,
            0x794c_7630,
            0x2fc1_2fc1,
            0xf2f5_2010,
            0x8584_58f6,
        ] {
            assert_eq!(by_number(local), None);
        }
        assert_eq!((by_number(0x6969), by_number(0xff53_4d42)), (Some("nfs"), Some("cifs")));
    }

    #[test]
    fn a_place_that_does_not_exist_yet_is_where_its_directory_is() {
        let directory = tempfile::tempdir().unwrap();
        let found = network_file_system(directory.path()).unwrap();
        assert_eq!(network_file_system(&directory.path().join("a/b/c")).unwrap(), found);
    }
}
