# Everything comes from Debian 12 packages (scripts/install lists them).
find_package(Threads REQUIRED)
find_package(Protobuf REQUIRED)  # module mode: Debian's 3.21 has no config package
find_package(absl CONFIG REQUIRED)
find_package(gRPC CONFIG REQUIRED)
find_package(nlohmann_json CONFIG REQUIRED)
find_package(spdlog CONFIG REQUIRED)
find_package(CLI11 CONFIG REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(HWY REQUIRED IMPORTED_TARGET libhwy)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(RE2 REQUIRED IMPORTED_TARGET re2)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(GMP REQUIRED IMPORTED_TARGET gmpxx gmp)
# Debian's oneDNN config insists on OpenCL headers that a CPU user does not need.
find_library(DNNL_LIBRARY dnnl REQUIRED)
add_library(temper_dnnl INTERFACE)
target_link_libraries(temper_dnnl INTERFACE ${DNNL_LIBRARY})

if(TEMPER_BUILD_TESTS)
  find_package(GTest CONFIG REQUIRED)
endif()
