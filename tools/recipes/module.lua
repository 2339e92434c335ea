-- Lmod: "module load pillion" observes what is started from then on. For administrators and users.
--
-- Copy it to pillion/0.1.0.lua in a folder of MODULEPATH; a user's own is ~/modulefiles, after "module use ~/modulefiles".
-- In a batch script each program that the script starts is a run of its own, and each step of srun is one.
--
-- To change: the folder, if pillion is not where the packages put it.
local root = "/usr/lib/pillion"

whatis("Name: pillion")
whatis("Description: observes CPU, memory, disk, network and GPU of what is started")
help([[After "module load pillion" each program that is started is a run: "pillion list", "pillion show".
"module unload pillion" ends that; PILLION_DISABLE=1 before one command leaves that one out.]])

prepend_path("LD_PRELOAD", pathJoin(root, "libpillion.so"))

-- The command module is a program of Lua: it is no run. A PILLION_EXCLUDE of /etc/pillion.conf does not count beside this
-- one; where there is one, put lua* into it and take this line out.
append_path("PILLION_EXCLUDE", "lua*")
