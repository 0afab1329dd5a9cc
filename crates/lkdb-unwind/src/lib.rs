//! Call stacks: ORC, DWARF CFI and frame pointers, each turned into one kind of row; one stepper over the
//! rows. Also where a variable is in a frame, since that needs the frame's registers.
//!
//! No I/O, and no knowledge of Linux beyond its stacks' layout, which comes in as data.
