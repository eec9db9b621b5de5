//! What every part of beamline shares and none owns: time and randomness that are passed in, whether something
//! still moves, texts cut to a length, work that nobody can stop half-way, the ids of ARM and those of its
//! built-in roles.
//!
//! A package of its own, so that the simulator can be one too: it stands on the far side of the wire and
//! must not be able to import what it is there to judge. Nothing here does I/O or knows what beamline is
//! for; what is added must be needed on both sides.

pub mod clock;
pub mod errand;
pub mod id;
pub mod pulse;
pub mod roles;
pub mod text;
