# The CUDA back end: TEMPER_CUDA is AUTO (where nvcc and cuBLASLt are), ON (they must be) or OFF.
# Sets TEMPER_CUDA_FOUND. Device code is compiled for Ampere, for Hopper, and as PTX for what comes
# later.
set(TEMPER_CUDA_FOUND OFF)
if(NOT TEMPER_CUDA STREQUAL "OFF")
  find_program(TEMPER_NVCC nvcc HINTS ENV CUDACXX ENV CUDA_PATH PATH_SUFFIXES bin
    PATHS /usr/local/cuda/bin /opt/cuda/bin)
  if(TEMPER_NVCC)
    cmake_path(GET TEMPER_NVCC PARENT_PATH nvcc_folder)
    find_library(TEMPER_CUBLASLT cublasLt HINTS ${nvcc_folder}/../lib64 ${nvcc_folder}/../lib)
  endif()
  if(TEMPER_NVCC AND TEMPER_CUBLASLT)
    set(CMAKE_CUDA_COMPILER ${TEMPER_NVCC})
    set(CMAKE_CUDA_ARCHITECTURES 80-real 90a-real 80-virtual)
    enable_language(CUDA)
    # CMake 3.25 does not know that nvcc does C++20.
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
    set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
    find_package(CUDAToolkit REQUIRED)
    set(TEMPER_CUDA_FOUND ON)
  elseif(TEMPER_CUDA STREQUAL "AUTO")
    message(STATUS "CUDA back end: not built (no nvcc with cuBLASLt found)")
  else()
    message(FATAL_ERROR "TEMPER_CUDA is ON, but nvcc or cuBLASLt is not found; set CUDACXX to nvcc's path")
  endif()
endif()
if(TEMPER_CUDA_FOUND)
  message(STATUS "CUDA back end: built by ${TEMPER_NVCC} for ${CMAKE_CUDA_ARCHITECTURES}")
endif()
