# What lkdb adds inside gdb: the symbols of Linux's modules, by hand and by themselves.
#
# Sourced by the script that lkdb writes, after it has set LKDB (a dict, see Settings). What is to be
# loaded and how is decided there; here it is only carried out.
#
# Only the Python API of gdb 7.4 is used, in the language that Python 2.7 and 3 share. Linux is looked at
# by its fields, never by its version: each branch names the kernel commit that made it necessary.

import __main__
import itertools
import os
import struct

import gdb


class Settings(object):
    """What lkdb passed: `module_files` (files that win over the directories), `module_dirs` (searched
    with all that lies below them), `argument` (the register a function's first argument comes in),
    `steps` (commands of the set-up, each with whether it is needed), `running` (the kernel has
    booted: look for modules at once)."""

    def __init__(self, values):
        self.module_files = values.get("module_files", [])
        self.module_dirs = values.get("module_dirs", [])
        self.argument = values.get("argument", "$rdi")
        self.steps = values.get("steps", [])
        self.running = values.get("running", 0)


def say(text):
    gdb.write("lkdb: %s\n" % text)


def read_memory(address, length):
    return bytes(gdb.selected_inferior().read_memory(address, length))


def field(value, name):
    """A member of a struct, or None where this kernel has none of that name."""
    try:
        return value[name]
    except (gdb.error, RuntimeError, KeyError):
        return None


def carry_out(steps):
    """Runs the set-up's commands without their chatter. Without a needed one there is no session."""
    # gdb sets __file__ for a script only where there is none yet, and this file's would lead the kernel's
    # own vmlinux-gdb.py, which loading vmlinux loads, to look for its modules here.
    __main__.__dict__.pop("__file__", None)
    for command, needed in steps:
        try:
            gdb.execute(command, False, True)
        except (gdb.error, RuntimeError) as error:
            if needed:
                say("`%s` failed: %s" % (" ".join(command.split()[:3]), error))
                gdb.flush()
                gdb.execute("quit 1")


# ---- ELF files -------------------------------------------------------------------------------------


class ModuleFile(object):
    """A .ko file's sections (name to size) and build ID; for 64-bit little-endian files, the only ones there are here.
    Raises ValueError or struct.error for others."""

    NOTE = 7

    def __init__(self, path):
        with open(path, "rb") as stream:
            header = stream.read(64)
            if header[:6] != b"\x7fELF\x02\x01":
                raise ValueError("no 64-bit ELF file (compressed?)")
            (table,) = struct.unpack_from("<Q", header, 40)
            size, count, names = struct.unpack_from("<HHH", header, 58)
            stream.seek(table)
            data = stream.read(size * count)
            entries = [struct.unpack_from("<IIQQQQ", data, i * size) for i in range(count)]
            stream.seek(entries[names][4])
            strings = stream.read(entries[names][5])
            self.path = path
            self.sections = {}
            self.build_id = None
            self.debug = False
            for name, kind, flags, _address, offset, length in entries:
                name = strings[name : strings.index(b"\0", name)].decode("ascii", "replace")
                if flags & 2:
                    self.sections[name] = length
                if name in (".debug_info", ".zdebug_info"):
                    self.debug = True
                if kind == self.NOTE and name == ".note.gnu.build-id":
                    stream.seek(offset)
                    self.build_id = build_id_of(stream.read(length))


def build_id_of(note):
    if len(note) < 16 or note[12:16] != b"GNU\0":
        return None
    (length,) = struct.unpack_from("<I", note, 4)
    return note[16 : 16 + length]


def hexadecimal(data):
    return "".join("%02x" % byte for byte in bytearray(data))


class ModuleFinder(object):
    """Finds the file of a module by its name, in which `-` and `_` are the same."""

    def __init__(self, settings):
        self.settings = settings
        self.index = None

    @staticmethod
    def module_name(path):
        name = os.path.basename(path)
        for ending in (".ko.debug", ".ko"):
            if name.endswith(ending):
                return name[: -len(ending)].replace("-", "_")
        return None

    def walk(self):
        self.index = {}
        found = list(self.settings.module_files)
        for top in self.settings.module_dirs:
            for directory, subdirectories, files in os.walk(top):
                subdirectories.sort()
                found.extend(os.path.join(directory, name) for name in sorted(files))
        for path in found:
            name = self.module_name(path)
            if name is not None:
                self.index.setdefault(name, []).append(path)

    def find(self, name, build_id):
        """The best file: of the right build, with debug info if any has. Returns (file, why not)."""
        if self.index is None:
            self.walk()
        best, reason = None, "no %s.ko in the module directories" % name
        for path in self.index.get(name, []):
            try:
                candidate = ModuleFile(path)
            except (EnvironmentError, ValueError, IndexError, struct.error) as error:
                reason = "%s: %s" % (path, error)
                continue
            if build_id and candidate.build_id and candidate.build_id != build_id:
                ids = (path, hexadecimal(candidate.build_id), hexadecimal(build_id))
                reason = "%s is another build: build ID %s, in the guest %s" % ids
                continue
            if candidate.debug:
                return candidate, None
            best = best or candidate
        return best, reason


# ---- Linux's modules -------------------------------------------------------------------------------


class Module(object):
    """One `struct module` in the guest."""

    COMING = 1

    def __init__(self, value):
        self.value = value
        self.address = int(value.address)
        self.name = value["name"].string()

    def in_init(self):
        """Whether its init sections are still there."""
        # 6.4, ac3b43283923 "module: replace module_layout with module_memory": mem[MOD_INIT_TEXT].
        mem = field(self.value, "mem")
        if mem is not None:
            kinds = dict((f.name, f.enumval) for f in gdb.lookup_type("enum mod_mem_type").fields())
            return any(int(mem[kinds[k]]["base"]) for k in kinds if k.startswith("MOD_INIT_"))
        # 4.5, 7523e4dc5057 "module: use a structure to encapsulate layout."; before it module_init.
        layout = field(self.value, "init_layout")
        base = layout["base"] if layout is not None else field(self.value, "module_init")
        if base is not None:
            return int(base) != 0
        return int(self.value["state"]) == self.COMING

    def base(self):
        """Where its code begins, and how much memory it takes."""
        mem = field(self.value, "mem")
        if mem is not None:
            low, high = mem.type.range()
            return int(mem[0]["base"]), sum(int(mem[i]["size"]) for i in range(low, high + 1))
        layout = field(self.value, "core_layout")
        if layout is not None:
            return int(layout["base"]), int(layout["size"])
        return int(self.value["module_core"]), int(self.value["core_size"])

    def sections(self):
        """Its sections that are in memory now: a dict of name to address."""
        found = {}
        attrs = field(self.value, "sect_attrs")
        if attrs is not None and int(attrs):
            found = dict(self.attributes(attrs.dereference()))
        if not self.in_init():
            found = dict((n, a) for n, a in found.items() if not n.startswith(".init"))
        percpu = field(self.value, "percpu")
        if percpu is not None and int(percpu):
            found[".data..percpu"] = int(percpu)
        if ".text" not in found:
            # Empty sections have no attribute, but gdb wants the place of this one.
            found[".text"] = self.base()[0]
        return found

    @staticmethod
    def attributes(attrs):
        count = field(attrs, "nsections")
        if count is not None:
            for index in range(int(count)):
                attr = attrs["attrs"][index]
                # 5.8, ed66f991bb19 "module: Refactor section attr into bin attribute"; before it the
                # name was the attribute's own member.
                binary = field(attr, "battr")
                name = attr["name"] if binary is None else binary["attr"]["name"]
                yield name.string(), int(attr["address"])
            return
        # 6.14, "module: sysfs: Drop member 'module_sect_attrs::nsections'" and "... 'module_sect_attr::
        # address'": the group's own list, ended by a null; the address is the attribute's private data.
        group = attrs["grp"]
        listed = field(group, "bin_attrs")
        listed = listed if listed is not None else group["bin_attrs_new"]
        index = 0
        while int(listed[index]):
            attr = listed[index].dereference()
            yield attr["attr"]["name"].string(), int(attr["private"])
            index += 1

    def build_id(self, sections):
        note = sections.get(".note.gnu.build-id")
        try:
            return build_id_of(read_memory(note, 36)) if note else None
        except (gdb.error, RuntimeError):
            return None


class Modules(object):
    """The guest's list of modules."""

    def __init__(self):
        self.pointer = None

    def type(self):
        """`struct module *`. From a function that takes one: a look-up by name alone makes gdb 13 read
        all of vmlinux's debug info, 13 s."""
        if self.pointer is None:
            for place in ("do_init_module", "free_module", "module_put"):
                try:
                    kind = gdb.parse_and_eval(place).type
                    self.pointer = kind.fields()[0].type
                    break
                except (gdb.error, RuntimeError, IndexError, TypeError):
                    continue
            else:
                self.pointer = self.by_name()
            if self.pointer is None or self.pointer.code != gdb.TYPE_CODE_PTR:
                self.pointer = None
                raise gdb.GdbError("vmlinux has no debug info (no struct module): modules cannot be seen")
        return self.pointer

    @staticmethod
    def by_name():
        try:
            return gdb.lookup_type("struct module").pointer()
        except (gdb.error, RuntimeError):
            return None

    def at(self, address):
        return Module(gdb.Value(address).cast(self.type()).dereference())

    def all(self):
        offset = None
        for member in self.type().target().fields():
            if member.name == "list":
                offset = member.bitpos // 8
        try:
            head = gdb.parse_and_eval("&modules")
            entry = head["next"]
        except (gdb.error, RuntimeError):
            raise gdb.GdbError("vmlinux has no debug info (no `modules`): modules cannot be seen")
        # Before the list is set up, and for a list that a bug has tied into a knot.
        for _count in range(100000):
            if int(entry) == int(head) or int(entry) == 0:
                return
            module = self.at(int(entry) - offset)
            # MODULE_STATE_UNFORMED (3): sections are not in place yet.
            if int(module.value["state"]) != 3:
                yield module
            entry = entry["next"]


# ---- gdb's symbol files ----------------------------------------------------------------------------


class Loaded(object):
    """The modules whose symbols gdb has.

    Symbols are added while the guest runs on unseen, but taken away only when it has stopped for the
    user: a `finish` that waits for a function of a file that is taken away makes gdb crash."""

    def __init__(self, settings):
        self.finder = ModuleFinder(settings)
        self.modules = Modules()
        # By address of the struct module: its name, its sections, its file.
        self.files = {}
        # Files of modules that are gone, and addresses of those whose init code is.
        self.gone = []
        self.initialised = set()
        self.complained = set()

    def add(self, module):
        """Adds a module's symbols, or adds them anew where its sections are no longer those known."""
        sections = module.sections()
        known = self.files.get(module.address)
        if known is not None:
            if known[:2] == (module.name, sections):
                return True
            self.forget(module.address)
        chosen, reason = self.finder.find(module.name, module.build_id(sections))
        if chosen is None:
            self.complain("no symbols of module %s: %s" % (module.name, reason))
            return False
        if not chosen.debug:
            self.complain("%s has no debug info: no lines or variables of this module" % chosen.path)
        words = ["add-symbol-file", quote(chosen.path), "0x%x" % sections[".text"]]
        for name, address in placed(chosen, sections):
            words += ["-s", name, "0x%x" % address]
        gdb.execute(" ".join(words), False, True)
        self.files[module.address] = (module.name, sections, chosen.path)
        return True

    def complain(self, text):
        if text not in self.complained:
            self.complained.add(text)
            say(text)

    def forget(self, address):
        """A module is gone, or its symbols are to be added anew."""
        known = self.files.pop(address, None)
        if known is not None:
            self.gone.append(known[2])
        self.initialised.discard(address)

    def settle(self):
        """Takes away what is gone. Only while the guest stands still for the user."""
        initialised = [address for address in self.initialised if address in self.files]
        self.initialised.clear()
        for address in initialised:
            self.forget(address)
        gone, self.gone = self.gone, []
        for path in gone:
            try:
                # Of two objfiles of that name the one added first goes.
                gdb.execute("remove-symbol-file %s" % quote(path), False, True)
            except (gdb.error, RuntimeError):
                # gdb before 7.7 cannot: the symbols stay, and a module loaded anew adds its own.
                pass
        for address in initialised:
            self.add(self.modules.at(address))

    def path(self, address):
        known = self.files.get(address)
        return known[2] if known is not None else None

    def update(self):
        """Makes gdb's symbols those of the modules that are loaded now. Returns how many have some, and
        how many there are."""
        present = list(self.modules.all())
        addresses = set(module.address for module in present)
        for address in list(self.files):
            if address not in addresses:
                self.forget(address)
        self.settle()
        added = sum(1 for module in present if self.add(module))
        self.settle()
        return added, len(present)


# Addresses that no x86-64 or arm64 processor takes, 4 GiB for each file.
NOWHERE = itertools.count(0xF4EE << 48, 1 << 32)


def placed(chosen, sections):
    """Every section of a file and where it goes, but .text. gdb puts what it is not told about at 0, in
    the midst of per-CPU symbols; so what is not in memory goes where no memory can be."""
    nowhere = next(NOWHERE)
    for name, size in sorted(chosen.sections.items()):
        if name in sections:
            address = sections[name]
        else:
            address = nowhere
            nowhere += (size | 0xFFF) + 1
        if name != ".text":
            yield name, address


def quote(path):
    return '"%s"' % path.replace("\\", "\\\\").replace('"', '\\"')


# ---- following loads -------------------------------------------------------------------------------


class Hook(gdb.Breakpoint):
    """Stops unseen at the entry of a kernel function, and never for the user."""

    def __init__(self, function, action):
        super(Hook, self).__init__("*" + function, gdb.BP_BREAKPOINT, gdb.WP_WRITE, True)
        self.silent = True
        self.action = action

    def stop(self):
        try:
            self.action()
        except (gdb.error, gdb.GdbError, RuntimeError) as error:
            say("modules: %s" % error)
        return False


class Follower(object):
    """Adds a module as it loads, in time for its init function, and drops it as it goes."""

    def __init__(self, settings, loaded):
        self.settings = settings
        self.loaded = loaded
        self.hooks = []

    def start(self):
        # All of a module's sections are in place and in sysfs when do_init_module is called; its init
        # function has not run. mod_tree_remove_init is called when that has, as its memory goes.
        try:
            self.loaded.modules.type()
        except gdb.GdbError as error:
            say(error)
            return
        actions = (
            ("do_init_module", self.arrives, True),
            ("mod_tree_remove_init", self.initialised, False),
            ("free_module", self.leaves, False),
        )
        for function, action, needed in actions:
            try:
                self.hooks.append(Hook(function, action))
            except (gdb.error, RuntimeError) as error:
                if needed:
                    say("modules will not be followed as they load (%s): use lkdb-symbols" % error)
                    return
        gdb.events.stop.connect(self.stopped)

    def argument(self):
        # A register's type may be signed: addresses are not.
        return int(gdb.parse_and_eval(self.settings.argument)) & 0xFFFFFFFFFFFFFFFF

    def arrives(self):
        self.loaded.add(self.loaded.modules.at(self.argument()))

    def initialised(self):
        address = self.argument()
        if address in self.loaded.files:
            self.loaded.initialised.add(address)

    def leaves(self):
        self.loaded.forget(self.argument())

    def stopped(self, _event):
        try:
            self.loaded.settle()
        except (gdb.error, gdb.GdbError, RuntimeError) as error:
            say("modules: %s" % error)


# ---- commands --------------------------------------------------------------------------------------


class SymbolsCommand(gdb.Command):
    """lkdb-symbols [FILE.ko | DIRECTORY]...

Add the symbols of every module that is loaded in the guest, at the addresses of all its sections
(those of its init code too while it runs), and drop those of modules that are gone. Files and
directories given are searched first, now and later. Modules that load from now on are added by
themselves."""

    def __init__(self, settings, loaded):
        super(SymbolsCommand, self).__init__("lkdb-symbols", gdb.COMMAND_FILES, gdb.COMPLETE_FILENAME)
        self.settings = settings
        self.loaded = loaded

    def invoke(self, argument, from_tty):
        for path in gdb.string_to_argv(argument):
            path = os.path.abspath(os.path.expanduser(path))
            if os.path.isdir(path):
                self.settings.module_dirs.insert(0, path)
            elif os.path.isfile(path):
                self.settings.module_files.insert(0, path)
            else:
                raise gdb.GdbError("%s: no such file or directory" % path)
            self.loaded.finder.index = None
            self.loaded.complained.clear()
        added, present = self.loaded.update()
        say("%d of %d modules have symbols" % (added, present))


class ModulesCommand(gdb.Command):
    """lkdb-modules

List the modules that are loaded in the guest: name, address, size, state, and the file whose
symbols gdb has."""

    STATES = {0: "live", 1: "coming", 2: "going"}

    def __init__(self, loaded):
        super(ModulesCommand, self).__init__("lkdb-modules", gdb.COMMAND_DATA)
        self.loaded = loaded

    def invoke(self, argument, from_tty):
        row = "%-24s %-18s %9s  %-7s %s\n"
        present = list(self.loaded.modules.all())
        gdb.write(row % ("module", "address", "size", "state", "symbols"))
        for module in present:
            base, size = module.base()
            state = self.STATES.get(int(module.value["state"]), "?")
            path = self.loaded.path(module.address) or "-"
            gdb.write(row % (module.name, "0x%016x" % (base & 0xFFFFFFFFFFFFFFFF), size, state, path))


def start():
    settings = Settings(globals().get("LKDB", {}))
    carry_out(settings.steps)
    loaded = Loaded(settings)
    SymbolsCommand(settings, loaded)
    ModulesCommand(loaded)
    Follower(settings, loaded).start()
    if settings.running:
        gdb.execute("lkdb-symbols")


start()
