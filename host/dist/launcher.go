package dist

import (
	"os"
	"strconv"
)

// Launched is how many ranks a launcher of MPI programs says that it has started,
// 0 where none has started this process, and this one's number. It needs no MPI.
func Launched() (rank, size int) {
	for _, names := range [][2]string{
		{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"}, // Open MPI's mpirun
		{"PMI_RANK", "PMI_SIZE"},                         // MPICH's mpiexec, srun --mpi=pmi2
		{"PMIX_RANK", "SLURM_NTASKS"},                    // srun --mpi=pmix
	} {
		r, err := strconv.Atoi(os.Getenv(names[0]))
		n, e := strconv.Atoi(os.Getenv(names[1]))
		if err == nil && e == nil && n >= 1 {
			return r, n
		}
	}
	return 0, 0
}
