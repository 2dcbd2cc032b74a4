#include "orchestrator/spec_in_force.h"

#include <vector>

#include "gtest/gtest.h"

namespace temper::orchestrator {
namespace {

TEST(SpecInForceTest, AnAlterationCountsFromItsVersionOnAndTheLaterOneWins) {
  v1::RunSpec began;
  began.set_learning_rate(1);
  began.set_temperature(0.5);
  std::vector<RecoveredAlteration> alterations(2);
  alterations[0].from_version = 3;
  alterations[0].alteration.set_learning_rate(2);
  alterations[0].alteration.set_group_size(4);
  alterations[1].from_version = 5;
  alterations[1].alteration.set_learning_rate(3);
  EXPECT_EQ(SpecInForce(began, alterations, 2).learning_rate(), 1);
  EXPECT_FALSE(SpecInForce(began, alterations, 2).has_group_size());
  EXPECT_EQ(SpecInForce(began, alterations, 3).learning_rate(), 2);
  EXPECT_EQ(SpecInForce(began, alterations, 9).learning_rate(), 3);
  EXPECT_EQ(SpecInForce(began, alterations, 9).group_size(), 4);
  EXPECT_EQ(SpecInForce(began, alterations, 9).temperature(), 0.5);
}

// A field that is added to the schema must not be forgotten here.
TEST(SpecInForceTest, EveryFieldOfAnAlterationChangesTheSpec) {
  const google::protobuf::Descriptor& fields = *v1::Alteration::descriptor();
  for (int i = 0; i < fields.field_count(); ++i) {
    const google::protobuf::FieldDescriptor* field = fields.field(i);
    v1::Alteration alteration;
    const google::protobuf::Reflection& set = *alteration.GetReflection();
    switch (field->cpp_type()) {
      case google::protobuf::FieldDescriptor::CPPTYPE_DOUBLE:
        set.SetDouble(&alteration, field, 0.75);
        break;
      case google::protobuf::FieldDescriptor::CPPTYPE_INT32:
        set.SetInt32(&alteration, field, 7);
        break;
      default:
        (*alteration.mutable_mixture()->mutable_shares())["algebra"] = 1;
    }
    v1::RunSpec spec;
    ApplyAlteration(alteration, spec);
    EXPECT_NE(spec.ByteSizeLong(), 0u) << field->name();
  }
}

}  // namespace
}  // namespace temper::orchestrator
