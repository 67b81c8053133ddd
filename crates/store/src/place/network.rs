//! File systems on which locks or syncs do not keep what they promise to a database.

use std::io;
use std::path::Path;

/// Numbers of `statfs(2)`, with the name for the message.
const REFUSED: [(u32, &str); 17] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x0102_1997, "9p"),
    (0x6573_5546, "FUSE"),
    (0x00c3_6400, "Ceph"),
    (0x5346_414f, "AFS"),
    (0x6b41_4653, "AFS"),
    (0x7375_7245, "Coda"),
    (0x564c, "NCP"),
    (0x0116_1970, "GFS2"),
    (0x7461_636f, "OCFS2"),
    (0x0bd0_0bd0, "Lustre"),
    (0x786f_4256, "a folder shared by VirtualBox"),
    (0x2003_0528, "OrangeFS"),
    (0x4750_4653, "GPFS"),
];

/// Returns the kind of the file system, if it is none for a store.
pub(super) fn of(path: &Path) -> io::Result<Option<&'static str>> {
    Ok(named(rustix::fs::statfs(path)?.f_type as u64))
}

fn named(number: u64) -> Option<&'static str> {
    // Some kernels extend the sign of the number to 64 bits.
    REFUSED.iter().find(|&&(refused, _)| u64::from(refused) == number & 0xffff_ffff).map(|&(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn network_file_systems_are_known_and_local_ones_are_not() {
        assert_eq!(named(0x6969), Some("NFS"));
        assert_eq!(named(0xffff_ffff_ff53_4d42), Some("CIFS"));
        for local in [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994, 0x794c_7630, 0x2fc1_2fc1] {
            assert_eq!(named(local), None, "{local:#x}");
        }
    }
}
