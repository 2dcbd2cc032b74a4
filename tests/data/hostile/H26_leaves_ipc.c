// expect: pass
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
int main() {
  shmget(0x7e3b, 65536, IPC_CREAT | 0666);
  semget(0x7e3b, 4, IPC_CREAT | 0666);
  msgget(0x7e3b, IPC_CREAT | 0666);
  mq_open("/temper_hostile", O_CREAT | O_RDWR, 0666, (struct mq_attr*)0);
  puts("ok");
}
