//! Which command installs a program on this machine.

use std::path::Path;

use nix::unistd::geteuid;

/// Names of one program in the package managers we know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packages {
    pub(crate) apt: &'static str,
    pub(crate) dnf: &'static str,
    pub(crate) brew: &'static str,
    pub(crate) apk: &'static str,
    pub(crate) pacman: &'static str,
    /// Told where there is none of them.
    pub(crate) product: &'static str,
}

/// Returns the install command for the first package manager that is here.
pub(crate) fn command(packages: &Packages) -> String {
    let has = |path: &str| Path::new(path).exists();
    let sudo = if geteuid().is_root() { "" } else { "sudo " };
    if has("/usr/bin/apt-get") {
        format!("{sudo}apt-get install -y {}", packages.apt)
    } else if has("/usr/bin/dnf") {
        format!("{sudo}dnf install -y {}", packages.dnf)
    } else if cfg!(target_os = "macos") {
        format!("brew install {}", packages.brew)
    } else if has("/sbin/apk") {
        format!("{sudo}apk add {}", packages.apk)
    } else if has("/usr/bin/pacman") {
        format!("{sudo}pacman -S --noconfirm {}", packages.pacman)
    } else {
        format!("your package manager: {}", packages.product)
    }
}
