//! Whether gdb is there, new enough, and has Python: `gdb::find` knows, here it is put into words.

use super::packages::{self, System};
use super::{Finding, State};
use crate::gdb::find::{self, Gdb};

pub(super) fn look(system: System) -> Finding {
    let check = "gdb";
    match find::find_for_doctor() {
        Ok(gdb) if gdb.python => Finding::new(check, State::Ok, words(&gdb)),
        Ok(gdb) => {
            let found = format!("{}; built without Python, so modules are not followed", words(&gdb));
            Finding::new(check, State::Note, found).install(
                packages::GDB,
                system,
                "install a gdb with Python",
            )
        }
        Err(why) => Finding::new(check, State::Lack, why).install(packages::GDB, system, "install gdb"),
    }
}

fn words(gdb: &Gdb) -> String {
    format!("{}, version {} ({} or newer is needed)", gdb.program.display(), gdb.version, find::OLDEST)
}
