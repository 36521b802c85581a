//! The library stays loaded once it is: a thread that waits in epoll for a Deno isolate returns into it after that isolate
//! has ended and closed it (dlopen(3), RTLD_NODELETE).

fn main() {
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
