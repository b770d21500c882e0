import CoteRegistry
import Glibc

RegistryWorker.seal()
exit(await RegistryWorker.run())
