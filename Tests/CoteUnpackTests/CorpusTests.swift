import Testing
import CoteUnpack
