//! This process's own limits, by a call that can fail. rustix assumes that it cannot, and would panic under a
//! seccomp filter without `prlimit64`.
#![allow(unsafe_code)]

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit};
use std::mem::MaybeUninit;

/// Returns the limit of this process. `None` in it means no limit.
///
/// # Errors
/// When the system does not report it.
pub fn own(resource: Resource) -> Result<Rlimit, Errno> {
    let mut limit = MaybeUninit::<libc::rlimit>::uninit();
    // SAFETY: the pointer is to memory of that type, which the call initialises if it succeeds.
    let failed = unsafe { libc::getrlimit(number(resource), limit.as_mut_ptr()) } != 0;
    if failed {
        let error = std::io::Error::last_os_error();
        return Err(Errno::from_io_error(&error).unwrap_or(Errno::INVAL));
    }
    // SAFETY: the call has succeeded.
    let limit = unsafe { limit.assume_init() };
    let bound = |value| (value != libc::RLIM_INFINITY).then_some(value);
    Ok(Rlimit { current: bound(limit.rlim_cur), maximum: bound(limit.rlim_max) })
}

/// rustix numbers its resources as the kernel does.
#[cfg(target_env = "gnu")]
fn number(resource: Resource) -> libc::__rlimit_resource_t {
    resource as libc::__rlimit_resource_t
}

#[cfg(not(target_env = "gnu"))]
fn number(resource: Resource) -> libc::c_int {
    resource as libc::c_int
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_are_those_that_the_kernel_shows() {
        for resource in [Resource::Fsize, Resource::Nofile, Resource::Core, Resource::Nproc] {
            assert_eq!(own(resource).unwrap(), rustix::process::getrlimit(resource));
        }
    }
}
