//! Spawns processes on the calling thread. If the process has many descriptors, it spawns them on a thread
//! with its own table of descriptors. The child is the same in both cases.
//!
//! A child begins with a copy of its creator's table and closes every descriptor that it must not have. That
//! takes a tenth of a microsecond each. A request to another thread costs as much as some hundreds of those.

use super::maker::Maker;
use super::posix_spawn::{self, FIRST_FREE, Plan, Table};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::Pid;
use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

/// A new descriptor with such a number means that many are open: it is the lowest free number.
const MANY: RawFd = 512;

/// The kernel treats the thread that spawned a process as its parent. Therefore those threads live as long as
/// this value.
#[derive(Debug, Default)]
pub(super) struct Birthplace {
    maker: RefCell<Option<Maker>>,
    /// The system does not give a thread its own table.
    has_none: Cell<bool>,
}

impl Birthplace {
    /// Spawns a process. Returns when it runs the program, or cannot. `descriptors` become its own, from 0
    /// on, and were opened for it. If the plan is to run a file, the last of them is that file.
    pub(super) fn make(&self, plan: Plan, descriptors: &[BorrowedFd<'_>]) -> io::Result<Pid> {
        let are_many = descriptors.iter().any(|it| it.as_raw_fd() >= MANY);
        let maker = if are_many { self.maker.take().or_else(|| self.start()) } else { None };
        let Some(maker) = maker else { return make_here(&plan, descriptors) };
        let made = maker.make(plan, descriptors);
        if !maker.has_ended() {
            self.maker.replace(Some(maker));
        }
        made.unwrap_or_else(|plan| make_here(&plan, descriptors))
    }

    fn start(&self) -> Option<Maker> {
        if self.has_none.get() {
            return None;
        }
        let started = Maker::start().inspect_err(|reason| {
            tracing::debug!(%reason, "no thread can have a table of descriptors of its own: starts take longer");
            self.has_none.set(true);
        });
        started.ok()
    }
}

fn make_here(plan: &Plan, descriptors: &[BorrowedFd<'_>]) -> io::Result<Pid> {
    let copy = |it: &BorrowedFd<'_>| {
        let is_in_the_way = it.as_raw_fd() < FIRST_FREE;
        is_in_the_way.then(|| fcntl_dupfd_cloexec(it, FIRST_FREE)).transpose()
    };
    let copies = descriptors.iter().map(copy).collect::<Result<Vec<_>, _>>()?;
    let apart = descriptors.iter().zip(&copies).map(|(it, copy)| copy.as_ref().map_or(*it, AsFd::as_fd));
    posix_spawn::spawn(plan, &apart.collect::<Vec<_>>(), Table::Shared)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::posix_spawn::Image;
    use rustix::pipe::{PipeFlags, pipe_with};
    use rustix::process::{WaitOptions, waitpid};
    use std::ffi::CString;
    use std::fs::File;
    use std::io::Read;
    use std::os::fd::OwnedFd;

    type Place = Box<dyn Fn(Plan, &[BorrowedFd<'_>]) -> io::Result<Pid>>;

    fn places() -> [(&'static str, Place); 2] {
        let maker = Maker::start().expect("this system allows it");
        [
            ("here", Box::new(|plan, descriptors| make_here(&plan, descriptors))),
            (
                "with a table of its own",
                Box::new(move |plan, descriptors| maker.make(plan, descriptors).expect("the order comes")),
            ),
        ]
    }

    /// Runs a shell script, by its path or as an open file, and returns its output.
    fn told(place: &Place, image: Image, script: &str) -> String {
        let strings = |it: &[&str]| it.iter().map(|it| CString::new(*it).unwrap()).collect();
        let plan = Plan { image, args: strings(&["sh", "-c", script]), env: Vec::new(), dir: None };
        let file = (plan.image == Image::File).then(|| File::open("/bin/sh").unwrap());
        let null = OwnedFd::from(File::open("/dev/null").unwrap());
        let (out, into) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        // Not close-on-exec, as a library's descriptor may be.
        let careless = rustix::io::dup(&null).unwrap();
        let descriptors = [&null, &into, &into].map(AsFd::as_fd);
        let descriptors: Vec<_> = descriptors.into_iter().chain(file.as_ref().map(AsFd::as_fd)).collect();
        let pid = place(plan, &descriptors).unwrap();
        drop(into);
        let mut told = String::new();
        File::from(out).read_to_string(&mut told).unwrap();
        waitpid(Some(pid), WaitOptions::empty()).unwrap();
        drop(careless);
        told
    }

    #[test]
    fn a_child_has_its_descriptors_and_no_other_one_wherever_it_is_made() {
        for (name, place) in places() {
            for image in [Image::File, Image::Path(c"/bin/sh".into())] {
                // Listing the directory would open another descriptor, so the script tries each number.
                let script =
                    "n=0; while [ $n -lt 99 ]; do [ -e /proc/$$/fd/$n ] && echo $n; n=$((n+1)); done";
                assert_eq!(told(&place, image, script), "0\n1\n2\n", "{name}");
            }
        }
    }

    #[test]
    fn one_place_makes_one_child_after_the_other() {
        for (name, place) in places() {
            for number in 0..50 {
                let told = told(&place, Image::File, &format!("echo {number}"));
                assert_eq!(told, format!("{number}\n"), "{name}");
            }
        }
    }

    #[test]
    fn a_process_is_made_here_where_its_order_cannot_be_given() {
        let place = Birthplace::default();
        let null = OwnedFd::from(File::open("/dev/null").unwrap());
        // The child's number 0 gets a high number here, as in a process with many descriptors.
        let high = fcntl_dupfd_cloexec(&null, MANY).unwrap();
        let make = || {
            let args = ["sh", "-c", "exit 7"].map(|it| CString::new(it).unwrap()).into();
            let plan = Plan { image: Image::Path(c"/bin/sh".into()), args, env: Vec::new(), dir: None };
            let pid = place.make(plan, &[high.as_fd(), null.as_fd(), null.as_fd()]).unwrap();
            waitpid(Some(pid), WaitOptions::empty()).unwrap().unwrap().1.exit_status()
        };
        assert_eq!(make(), Some(7));
        place.maker.borrow().as_ref().expect("it has made one").break_off();
        assert_eq!(make(), Some(7));
    }

    #[test]
    fn what_cannot_be_run_is_an_error_and_the_next_one_runs() {
        for (name, place) in places() {
            let nothing =
                Plan { image: Image::Path(c"/nothing".into()), args: Vec::new(), env: Vec::new(), dir: None };
            let null = File::open("/dev/null").unwrap();
            let error = place(nothing, &[null.as_fd(); 3]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound, "{name}");
            assert_eq!(told(&place, Image::File, "echo here"), "here\n");
        }
    }
}
