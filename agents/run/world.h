// Carries out tool and ask nodes: programs and servers on a few threads, people through files.
//
// A question to a person is DIR/asks/KEY.json; whoever answers puts DIR/answers/KEY.json there
// (`temper graph answer` does), at any time, also while nothing runs.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agents/run/outside_world.h"
#include "base/bounded_queue.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/stop.h"
#include "base/thread.h"

namespace temper::agents {

class World : public OutsideWorld {
 public:
  // `folder`: of the run, for questions to people; "": there are none to ask.
  World(std::string folder, const Clock& clock, int threads);
  ~World() override;

  void Start(int64_t call, const std::string& key, const Question& question, Done done) override;
  void Cancel(int64_t call) override;

 private:
  struct Task {
    int64_t call = 0;
    std::string key;
    Question question;  // a copy: its node lives as long as the graph
    Done done;
  };
  struct Asked {
    std::string key;
    absl::Duration deadline;
    nlohmann::ordered_json default_answer;
    Done done;
  };
  void Serve();
  void RunOne(const Task& task);
  void WatchAnswers();
  void LookForAnswers();

  const std::string folder_;
  const Clock& clock_;
  StopToken stop_;
  BoundedQueue<Task> tasks_{1 << 16};
  Mutex mutex_;
  std::map<int64_t, Asked> asked_ ABSL_GUARDED_BY(mutex_);
  std::set<int64_t> queued_ ABSL_GUARDED_BY(mutex_);  // tools that nobody has begun or cancelled
  std::vector<Thread> threads_;
};

// Where the answer to a question is put; for whoever writes it.
std::string AnswerPath(const std::string& folder, const std::string& key_hex);

}  // namespace temper::agents
