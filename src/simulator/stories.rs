//! What the simulator does, told request by request through its own HTTP face.

mod access;
mod admin;
mod bench;
mod faults_and_server;
mod front;
mod machine_learning;
mod more_types;
mod network_and_roles;
mod resource_graph;
mod resources;
mod scale;
