//! Nothing yet: the commands come with `cli`.

fn main() {}
