//! The client's built files are part of the program: a new one means a new build.

fn main() {
    println!("cargo:rerun-if-changed=assets");
}
