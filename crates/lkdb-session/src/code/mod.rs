//! Instructions: decoded and written as gdb writes them.
