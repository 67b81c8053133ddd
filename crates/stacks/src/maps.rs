//! Reads what is mapped, as the kernel lists it in `/proc/PID/maps`.

use crate::snapshot::Mapping;

/// Maximum number of mappings that are kept.
pub const MOST_MAPPINGS: usize = 4096;

/// Returns the executable mappings that a copy of `/proc/PID/maps` lists, at most [`MOST_MAPPINGS`]. Lines
/// that do not look like the kernel's are left out: the copy may be cut off, or a worker may have written it.
pub fn mappings(maps: &[u8]) -> Vec<Mapping> {
    let lines = maps.split_inclusive(|&byte| byte == b'\n').filter_map(|line| line.strip_suffix(b"\n"));
    let executable = lines.filter_map(mapping).filter(|mapping| mapping.executable);
    executable.take(MOST_MAPPINGS).collect()
}

/// `55d0c0a5e000-55d0c0a60000 r-xp 00002000 fe:01 2491  /usr/bin/fib`
fn mapping(line: &[u8]) -> Option<Mapping> {
    let line = str::from_utf8(line).ok()?;
    let (range, rest) = line.split_once(' ')?;
    let (permissions, rest) = rest.split_once(' ')?;
    let (offset, rest) = rest.split_once(' ')?;
    let (device, rest) = rest.split_once(' ')?;
    let (inode, path) = rest.split_once(' ').unwrap_or((rest, ""));
    let (start, end) = range.split_once('-')?;
    let (start, end) = (hex(start)?, hex(end)?);
    let (major, minor) = device.split_once(':')?;
    let device = (u32::from_str_radix(major, 16).ok()?, u32::from_str_radix(minor, 16).ok()?);
    let mapping = Mapping {
        start,
        end,
        offset: hex(offset)?,
        executable: permissions.as_bytes().get(2) == Some(&b'x'),
        device,
        inode: inode.parse().ok()?,
        path: path.trim_start_matches(' ').into(),
    };
    (start < end).then_some(mapping)
}

fn hex(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executable_mappings_are_read_and_nonsense_is_left_out() {
        let maps = b"55d0c0a5c000-55d0c0a5e000 r--p 00000000 fe:01 2491                  /usr/bin/fib\n\
            55d0c0a5e000-55d0c0a60000 r-xp 00002000 fe:01 2491                  /usr/bin/a b (deleted)\n\
            7f0000000000-7f0000001000 rwxp 00000000 00:00 0 \n\
            7f0000003000-7f0000002000 r-xp 00000000 00:00 0 \n\
            \xff\xff\n\nhello\n7ffd-7ffe r-xp 00000000 00:00 0    [vdso]\n7ffe-7fff r-xp 0000";
        let found = mappings(maps);
        assert_eq!(found.len(), 3, "{found:?}");
        let file = Mapping {
            start: 0x55d0_c0a5_e000,
            end: 0x55d0_c0a6_0000,
            offset: 0x2000,
            executable: true,
            device: (0xfe, 1),
            inode: 2491,
            path: "/usr/bin/a b (deleted)".into(),
        };
        assert_eq!(found[0], file);
        assert_eq!([&*found[1].path, &*found[2].path], ["", "[vdso]"]);
    }

    #[test]
    fn the_number_of_mappings_is_bounded() {
        let line = b"1000-2000 r-xp 00000000 00:00 0\n";
        assert_eq!(mappings(&line.repeat(MOST_MAPPINGS + 1)).len(), MOST_MAPPINGS);
    }
}
