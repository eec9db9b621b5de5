//! Real Git servers on this machine: nginx with Git's own CGI program, OpenSSH with git-shell, and what
//! can stand between us and them. They need programs that not every machine has: see [`is_installed`].

mod authority;
mod nginx;
mod process;
mod relay;
mod sshd;

pub(crate) use authority::Authority;
pub(crate) use nginx::{Nginx, TOKEN, remote_at};
pub(crate) use process::is_installed;
pub(crate) use relay::{Manner, Relay};
pub(crate) use sshd::{Sshd, identity};
